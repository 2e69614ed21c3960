package gpfhir

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"caselink.example/connectors/httpclient"
	"caselink.example/fhir"
)

// write sends the item's bytes under a condition, such as If-Match.
func (x exchange) write(ctx context.Context, method, url string, condition ...string) (httpclient.Response, error) {
	h := x.header(x.item.RequestID)
	h.Set("Content-Type", "application/fhir+json")
	h.Set("Prefer", "return=representation") // the answer then shows what was taken, and no read is needed
	for i := 0; i+1 < len(condition); i += 2 {
		h.Set(condition[i], condition[i+1])
	}
	return x.call(ctx, httpclient.Request{Method: method, URL: url, Header: h, Body: x.item.Body})
}

// get reads under a request id of its own: a GP system that answers a repeated id
// from memory would answer with what it said to the write.
func (x exchange) get(ctx context.Context, url string) (httpclient.Response, error) {
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte(x.item.RequestID+"/read")).String()
	return x.call(ctx, httpclient.Request{Method: http.MethodGet, URL: url, Header: x.header(id)})
}

func (x exchange) header(requestID string) http.Header {
	h := http.Header{}
	h.Set("Accept", "application/fhir+json")
	h.Set("X-Request-Id", requestID)
	if x.item.CorrelationID != "" {
		h.Set("X-Correlation-Id", x.item.CorrelationID)
	}
	return h
}

// call makes the call with the destination's token.
func (x exchange) call(ctx context.Context, req httpclient.Request) (resp httpclient.Response, err error) {
	if x.cfg.Token == nil {
		return x.client.Do(ctx, req)
	}

	// A 401 is worth one new token: the one that was kept may have been withdrawn
	// before its time. A second 401 is about more than the token.
	token := ""
	for range 2 {
		if token, err = x.cfg.Token(ctx, token); err != nil {
			return httpclient.Response{}, fhir.Errorf(fhir.IssueTransient, "no access token for the GP system").Because(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		if resp, err = x.client.Do(ctx, req); resp.Status != http.StatusUnauthorized {
			break
		}
	}
	return resp, err
}

func (x exchange) instance() string {
	return fmt.Sprintf("%s/%s/%s", x.base, x.item.ResourceType, url.PathEscape(x.item.ResourceID))
}

func (x exchange) search() string {
	return fmt.Sprintf("%s/%s?identifier=%s", x.base, x.item.ResourceType, url.QueryEscape(x.mine.identity()))
}
