package main

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

const tokenHelp = `caselink token: print an access token of a running caselink dev

CLIENT is gp-a or gp-b (practices), linkworker or linkworker-b (the apps of two
services), or admin. The token is good for an hour.

  curl -H "Authorization: Bearer $(caselink token linkworker)" http://127.0.0.1:8080/api/v1/cases
`

func runToken(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("token", tokenHelp, stderr)
	data := f.String("data", defaultData, "the `folder` that caselink dev keeps everything in")
	client, err := f.parseArgs(args, "CLIENT")
	if err != nil {
		return err
	}
	world, err := readDevWorld(*data)
	if err != nil {
		return err
	}
	token, err := world.token(ctx, client[0])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, token)
	return err
}

// devHTTP is for the small requests of the developer's world.
var devHTTP = &http.Client{Timeout: 10 * time.Second}

// token asks the issuer for an access token with all that the client may ask for.
// https://www.rfc-editor.org/rfc/rfc6749#section-4.4
func (w devWorld) token(ctx context.Context, name string) (string, error) {
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
	resp, err := devHTTP.Do(req)
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
