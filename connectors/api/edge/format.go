package edge

import (
	"mime"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
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
// https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
func Format(c *gin.Context) (fhir.Format, error) {
	wanted := c.Query("_format")
	if wanted == "" {
		wanted = strings.Join(c.Request.Header["Accept"], ",")
	}

	// What nearly every client sends needs no parser.
	switch wanted {
	case "", string(fhir.JSON), "*/*":
		return fhir.JSON, nil
	}

	var best fhir.Format
	most := 0.0
	for part := range strings.SplitSeq(wanted, ",") {
		if f, weight := parseRange(part); weight > most { // equal weights: the client's own order
			best, most = f, weight
		}
	}
	if best == "" {
		return "", fhir.Errorf(fhir.IssueNotAcceptable, "this server writes application/fhir+json and application/fhir+xml (FHIR 4.0): "+
			"ask for one of them in Accept or _format")
	}
	return best, nil
}

// parseRange is the format that one media range stands for, and its weight; 0 for one
// that we do not write. A plus sign that was not escaped in _format arrives as a space.
func parseRange(part string) (fhir.Format, float64) {
	media, params, err := mime.ParseMediaType(strings.ReplaceAll(strings.TrimSpace(part), "fhir ", "fhir+"))
	f := formats[media]
	if err != nil || f == "" || !VersionFits(params["fhirversion"]) {
		return "", 0
	}
	q, given := params["q"]
	if !given {
		return f, 1
	}
	weight, err := strconv.ParseFloat(q, 64)
	if err != nil || weight > 1 {
		return "", 0
	}
	return f, weight
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
		if body, err = r4.MarshalXML(json); err != nil {
			return err
		}
	}
	c.Data(status, string(format)+"; charset=utf-8", body)
	return nil
}
