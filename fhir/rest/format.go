package rest

import (
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"caselink.example/fhir"
	"caselink.example/fhir/edge"
)

// formats are the spellings of JSON that _format and Accept may use.
// https://hl7.org/fhir/R4/http.html#mime-type
var formats = map[string]bool{
	"application/fhir+json": true, "application/json": true, "text/json": true, "json": true,
	"application/*": true, "*/*": true,
}

// format is what the client wants to read: _format before Accept, JSON by default.
func format(c *gin.Context) (string, error) {
	wanted := c.Query("_format")
	if wanted == "" {
		wanted = c.GetHeader("Accept")
	}
	if wanted == "" {
		return edge.MediaFHIR, nil
	}
	for part := range strings.SplitSeq(wanted, ",") {
		media, params, err := mime.ParseMediaType(strings.ReplaceAll(strings.TrimSpace(part), " json", "+json"))
		if err == nil && formats[media] && params["q"] != "0" && versionFits(params["fhirversion"]) {
			return edge.MediaFHIR, nil
		}
	}
	return "", fhir.Errorf(fhir.IssueNotAcceptable, "this server writes application/fhir+json (FHIR 4.0): ask for that in Accept or _format")
}

// versionFits accepts FHIR R4 by its minor version: https://hl7.org/fhir/R4/http.html#version-parameter
func versionFits(v string) bool { return v == "" || v == "4.0" || v == "4.0.1" }

// decode reads the body as one resource of the type.
func decode(c *gin.Context, resourceType string, raw []byte) (fhir.Resource, error) {
	media, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || (media != "application/fhir+json" && media != "application/json") || !versionFits(params["fhirversion"]) {
		return fhir.Resource{}, fhir.Errorf(fhir.IssueMediaType, "send the resource as application/fhir+json (FHIR 4.0)")
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return fhir.Resource{}, fhir.Errorf(fhir.IssueMediaType, "send the resource in UTF-8")
	}
	return fhir.UnmarshalType(raw, resourceType)
}

// render writes a resource.
func render(c *gin.Context, status int, body []byte) error {
	c.Data(status, edge.MediaFHIR+"; charset=utf-8", body)
	return nil
}

// preference reads one preference of the Prefer header: https://www.rfc-editor.org/rfc/rfc7240
func preference(c *gin.Context, name string) string {
	for _, header := range c.Request.Header[http.CanonicalHeaderKey("Prefer")] {
		for part := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ',' || r == ';' }) {
			if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok && strings.EqualFold(strings.TrimSpace(k), name) {
				return strings.Trim(strings.TrimSpace(v), `"`)
			}
		}
	}
	return ""
}
