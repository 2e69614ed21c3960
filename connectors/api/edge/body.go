package edge

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"caselink.example/fhir"
)

// Body reads the whole body, at most limit bytes of it, and then lets the request work:
// behind Admit it refuses one for which there is no room.
func Body(c *gin.Context, limit int64) ([]byte, error) {
	// A few bytes can unpack to more than any limit.
	if enc := c.GetHeader("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, fhir.Errorf(fhir.IssueMediaType, "a compressed body is not read: send it as it is")
	}

	// A length that is announced is judged before a byte is read; the reader below holds
	// a body to the limit that announces none.
	tooLong := fhir.Errorf(fhir.IssueTooLong, "the body is longer than %d bytes", limit)
	if c.Request.ContentLength > limit {
		c.Header("Connection", "close")
		return nil, tooLong
	}

	// One allocation of the announced length, and one byte in which to find the end; but
	// what is announced is not yet sent, so it is within the limit.
	body := make([]byte, 0, max(c.Request.ContentLength, 512)+1)
	r := http.MaxBytesReader(c.Writer, c.Request.Body, limit)
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		var over *http.MaxBytesError
		switch {
		case err == io.EOF:
			return body, begin(c)
		case errors.As(err, &over):
			return nil, tooLong
		case err != nil:
			return nil, fhir.Errorf(fhir.IssueInvalid, "the body ended before its announced length").Because(err)
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)] // grows as append does
		}
	}
}
