package world

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// NewHTTP is a client for the small requests to a world. All its parts are on this machine:
// one that does not answer within ten seconds will not.
func NewHTTP() *http.Client { return &http.Client{Timeout: 10 * time.Second} }

// Token asks the issuer for an access token with all that the client may ask for.
// https://www.rfc-editor.org/rfc/rfc6749#section-4.4
func (w World) Token(ctx context.Context, client *http.Client, name string) (string, error) {
	as, ok := w.Clients[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(w.Clients)), ", ")
		return "", fmt.Errorf("there is no client %q: use one of %s", name, known)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {as.ID}, "client_secret": {as.Secret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("the issuer does not answer: is caselink dev still running? %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer)
	if err != nil || resp.StatusCode != http.StatusOK || answer.AccessToken == "" {
		return "", fmt.Errorf("the issuer answered %s and no token", resp.Status)
	}
	return answer.AccessToken, nil
}
