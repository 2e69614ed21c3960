package edge

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"caselink.example/fhir"
)

// Body reads the whole body, at most limit bytes of it.
func Body(c *gin.Context, limit int64) ([]byte, error) {
	if enc := c.GetHeader("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, fhir.Errorf(fhir.IssueMediaType, "a compressed body is not read: send it as it is")
	}
	tooLong := fhir.Errorf(fhir.IssueTooLong, "the body is longer than %d bytes", limit)
	if c.Request.ContentLength > limit {
		c.Header("Connection", "close")
		return nil, tooLong
	}
	body := make([]byte, 0, max(c.Request.ContentLength, 512)+1)
	r := http.MaxBytesReader(c.Writer, c.Request.Body, limit)
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		var over *http.MaxBytesError
		switch {
		case err == io.EOF:
			return body, nil
		case errors.As(err, &over):
			return nil, tooLong
		case err != nil:
			return nil, fhir.Errorf(fhir.IssueInvalid, "the body ended before its announced length").Because(err)
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}
