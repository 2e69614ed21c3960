package world

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// caller sends requests as one client of the issuer. Its token lives longer than what it
// is for, so it is asked for once.
type caller struct {
	http  *http.Client
	token string
}

func newCaller(ctx context.Context, client *http.Client, w World, name string) (caller, error) {
	token, err := w.Token(ctx, client, name)
	return caller{client, token}, err
}

// call is one request. A header that is "" is not sent.
type call struct {
	method, url        string
	mediaType, ifMatch string
	body               []byte
}

type callAnswer struct {
	http.Header
	body []byte
}

func (c caller) get(ctx context.Context, url string, into any) error {
	resp, err := c.send(ctx, call{method: http.MethodGet, url: url})
	if err != nil {
		return err
	}
	return json.Unmarshal(resp.body, into)
}

// post sends JSON and reads the answer into what is not nil.
func (c caller) post(ctx context.Context, url, ifMatch string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, call{
		method: http.MethodPost, url: url, mediaType: "application/json", ifMatch: ifMatch, body: text,
	})
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(resp.body, into)
}

// send returns the answer, which is an error unless it is 2xx.
func (c caller) send(ctx context.Context, r call) (callAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return callAnswer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	for name, value := range map[string]string{"Content-Type": r.mediaType, "If-Match": r.ifMatch} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}

	resp, err := c.http.Do(req)
	if err != nil {
		return callAnswer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err == nil && resp.StatusCode/100 != 2 {
		// Without the body, which may quote a patient.
		err = fmt.Errorf("%s %s: %s", r.method, req.URL.Path, resp.Status)
	}
	return callAnswer{resp.Header, text}, err
}
