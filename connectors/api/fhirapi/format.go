package fhirapi

import (
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"caselink.example/connectors/api/edge"
	"caselink.example/fhir"
)

// body reads the body, at most limit bytes of it, and says what format it is in.
func body(c *gin.Context, limit int64) ([]byte, fhir.Format, error) {
	// The media type comes first: what could not be understood is not read.
	format, err := contentFormat(c)
	if err != nil {
		return nil, "", err
	}
	raw, err := edge.Body(c, limit)
	return raw, format, err
}

// contentFormat is the format that the body is in, by its Content-Type.
func contentFormat(c *gin.Context) (fhir.Format, error) {
	media, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	format := map[string]fhir.Format{
		"application/fhir+json": fhir.JSON, "application/json": fhir.JSON,
		"application/fhir+xml": fhir.XML, "application/xml": fhir.XML, "text/xml": fhir.XML,
	}[media]
	if err != nil || format == "" || !edge.VersionFits(params["fhirversion"]) {
		return "", fhir.Errorf(fhir.IssueMediaType, "send the resource as application/fhir+json or application/fhir+xml (FHIR 4.0)")
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", fhir.Errorf(fhir.IssueMediaType, "send the resource in UTF-8")
	}
	return format, nil
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
