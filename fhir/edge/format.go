package edge

import (
	"mime"
	"strings"

	"github.com/gin-gonic/gin"

	"caselink.example/fhir"
)

// formats are the spellings that Accept and _format may use. A pattern is JSON.
// https://hl7.org/fhir/R4/http.html#mime-type
var formats = map[string]fhir.Format{
	"application/fhir+json": fhir.JSON, "application/json": fhir.JSON, "text/json": fhir.JSON, "json": fhir.JSON,
	"application/fhir+xml": fhir.XML, "application/xml": fhir.XML, "text/xml": fhir.XML, "xml": fhir.XML,
	"application/*": fhir.JSON, "*/*": fhir.JSON,
}

// Format is what the client wants to read: _format before Accept, the first that we
// write among those with the highest weight, and JSON when it does not say.
func Format(c *gin.Context) (fhir.Format, error) {
	wanted := c.Query("_format")
	if wanted == "" {
		wanted = c.GetHeader("Accept")
	}
	switch wanted {
	case "", string(fhir.JSON), "*/*":
		return fhir.JSON, nil
	}
	var best fhir.Format
	weight := "0"
	for part := range strings.SplitSeq(wanted, ",") {
		media, params, err := mime.ParseMediaType(strings.ReplaceAll(strings.TrimSpace(part), "fhir ", "fhir+"))
		q, given := params["q"]
		if !given {
			q = "1"
		}
		if f := formats[media]; err == nil && f != "" && q > weight && VersionFits(params["fhirversion"]) {
			best, weight = f, q
		}
	}
	if best == "" {
		return "", fhir.Errorf(fhir.IssueNotAcceptable, "this server writes application/fhir+json and application/fhir+xml (FHIR 4.0): ask for one of them in Accept or _format")
	}
	return best, nil
}

// VersionFits accepts FHIR R4 by its minor version: https://hl7.org/fhir/R4/http.html#version-parameter
func VersionFits(v string) bool { return v == "" || v == "4.0" || v == "4.0.1" }

// Render writes a resource, given as JSON, in the format that the client wants.
func Render(c *gin.Context, status int, json []byte) error {
	format, err := Format(c)
	if err != nil {
		return err
	}
	body := json
	if format == fhir.XML {
		if body, err = fhir.MarshalXML(json); err != nil {
			return err
		}
	}
	c.Data(status, string(format)+"; charset=utf-8", body)
	return nil
}
