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

// HTTP is for the small requests of the developer's world.
var HTTP = &http.Client{Timeout: 10 * time.Second}

// Token asks the issuer for an access token with all that the client may ask for.
// https://www.rfc-editor.org/rfc/rfc6749#section-4.4
func (w World) Token(ctx context.Context, name string) (string, error) {
	client, ok := w.Clients[name]
	if !ok {
		return "", fmt.Errorf("there is no client %q: use one of %s", name, strings.Join(slices.Sorted(maps.Keys(w.Clients)), ", "))
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client.ID}, "client_secret": {client.Secret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := HTTP.Do(req)
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
