package simulator_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/simulator"
)

type object = map[string]any

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// clientKeys are the private keys of the client signer, by algorithm.
var clientKeys = sync.OnceValue(func() map[jose.SignatureAlgorithm]jose.JSONWebKey {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[jose.SignatureAlgorithm]jose.JSONWebKey{
		jose.RS384: {Key: rsaKey, KeyID: "rs384", Algorithm: "RS384"},
		jose.RS512: {Key: rsaKey, KeyID: "rs512", Algorithm: "RS512"},
		jose.ES384: {Key: ecKey, KeyID: "es384", Algorithm: "ES384"},
		jose.PS384: {Key: rsaKey, KeyID: "ps384", Algorithm: "PS384"},
	}
})

// startIssuer runs an issuer that keeps its keys in the folder.
func startIssuer(t *testing.T, folder string) (*simulator.Issuer, string) {
	t.Helper()
	var registered jose.JSONWebKeySet
	for _, key := range clientKeys() {
		registered.Keys = append(registered.Keys, key.Public())
	}
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	issuer, err := simulator.NewIssuer(simulator.IssuerConfig{
		URL: base, Audience: "https://caselink.example", Folder: folder, Life: 10 * time.Minute,
		Now: func() time.Time { return noon },
		Clients: []simulator.Client{
			{ID: "gp-a", Secret: "pass:word &ü", Scope: "system/Task.rs system/ServiceRequest.cruds", Claims: object{"ods": "A99001"}},
			{ID: "signer", Keys: registered, Scope: "cases.read", Claims: object{"services": []string{"s1"}}, Algorithm: jose.RS256},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = issuer
	server.Start()
	t.Cleanup(server.Close)
	return issuer, base
}

// ask posts a token request.
func ask(t *testing.T, issuer *simulator.Issuer, form url.Values, edit ...func(*http.Request)) (status int, answer object) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer.TokenURL(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, e := range edit {
		e(request)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

func credentials(more ...string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}}
	for i := 0; i < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return form
}

func secret(more ...string) url.Values {
	return credentials(append([]string{"client_id", "gp-a", "client_secret", "pass:word &ü"}, more...)...)
}

// published fetches the JWKS that discovery names.
func published(t *testing.T, base string) jose.JSONWebKeySet {
	t.Helper()
	var provider struct {
		Issuer  string `json:"issuer"`
		JWKSURL string `json:"jwks_uri"`
	}
	getJSON(t, base+"/.well-known/openid-configuration", &provider)
	if provider.Issuer != base {
		t.Fatalf("issuer %q, want %q", provider.Issuer, base)
	}
	var set jose.JSONWebKeySet
	getJSON(t, provider.JWKSURL, &set)
	return set
}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// claimsOf verifies the token against the published keys.
func claimsOf(t *testing.T, base string, answer object) (header jose.Header, claims object) {
	t.Helper()
	raw, _ := answer["access_token"].(string)
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		t.Fatalf("%v: %v", answer, err)
	}
	set := published(t, base)
	if err := token.Claims(&set, &claims); err != nil {
		t.Fatal(err)
	}
	return token.Headers[0], claims
}

func TestAccessTokenIsThatOfRFC9068(t *testing.T) {
	t.Parallel()
	issuer, base := startIssuer(t, "")

	status, answer := ask(t, issuer, secret())

	if status != http.StatusOK || answer["token_type"] != "Bearer" || answer["expires_in"] != 600.0 {
		t.Fatalf("%d %v", status, answer)
	}
	header, got := claimsOf(t, base, answer)
	if header.ExtraHeaders["typ"] != "at+jwt" || header.Algorithm != "ES256" || header.KeyID == "" {
		t.Errorf("header %+v", header)
	}
	want := object{
		"iss": base, "aud": "https://caselink.example", "sub": "gp-a", "client_id": "gp-a", "ods": "A99001",
		"scope": "system/Task.rs system/ServiceRequest.cruds",
		"iat":   float64(noon.Unix()), "exp": float64(noon.Unix() + 600), "jti": got["jti"],
	}
	if diff := cmp.Diff(want, got); diff != "" || got["jti"] == "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestScopeIsWhatIsAskedAndRegistered(t *testing.T) {
	t.Parallel()
	issuer, _ := startIssuer(t, "")
	for asked, granted := range map[string]any{
		"system/Task.rs":                "system/Task.rs",
		"admin system/Task.rs":          "system/Task.rs",
		"":                              "system/Task.rs system/ServiceRequest.cruds",
		"system/ServiceRequest.cruds x": "system/ServiceRequest.cruds",
	} {
		if _, answer := ask(t, issuer, secret("scope", asked)); answer["scope"] != granted {
			t.Errorf("asked %q: %v, want %q", asked, answer, granted)
		}
	}
	if status, answer := ask(t, issuer, secret("scope", "admin")); status != 400 || answer["error"] != "invalid_scope" {
		t.Errorf("nothing in common: %d %v", status, answer)
	}
}

func TestClientsAuthenticateWithASecret(t *testing.T) {
	t.Parallel()
	issuer, _ := startIssuer(t, "")
	basic := func(id, secret string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
	}
	tests := []struct {
		name string
		form url.Values
		edit func(*http.Request)
		want int
		code string
	}{
		{"post", secret(), nil, 200, ""},
		{"basic", credentials(), basic("gp-a", "pass:word &ü"), 200, ""},
		{"wrong secret", credentials(), basic("gp-a", "guess"), 401, "invalid_client"},
		{"unknown client", credentials(), basic("gp-z", "pass:word &ü"), 401, "invalid_client"},
		{"unknown client without a secret", credentials(), basic("gp-z", ""), 401, "invalid_client"},
		{"client that has keys only", credentials(), basic("signer", ""), 401, "invalid_client"},
		{"nothing", credentials(), nil, 401, "invalid_client"},
		{"two ways", secret(), basic("gp-a", "pass:word &ü"), 400, "invalid_request"},
		{"a field twice", secret("client_id", "gp-a"), nil, 400, "invalid_request"},
		{"another grant", url.Values{"grant_type": {"password"}}, nil, 400, "unsupported_grant_type"},
		{"too long", credentials("pad", strings.Repeat("x", 65<<10)), nil, 400, "invalid_request"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			edits := []func(*http.Request){}
			if test.edit != nil {
				edits = append(edits, test.edit)
			}
			status, answer := ask(t, issuer, test.form, edits...)
			if code, _ := answer["error"].(string); status != test.want || code != test.code {
				t.Errorf("%d %v, want %d %s", status, answer, test.want, test.code)
			}
		})
	}
}

// assertion signs a client assertion with changed claims; nil removes one.
func assertion(t *testing.T, issuer *simulator.Issuer, algorithm jose.SignatureAlgorithm, changes object) url.Values {
	t.Helper()
	claims := object{
		"iss": "signer", "sub": "signer", "aud": issuer.TokenURL(), "jti": rand.Text(), "exp": noon.Add(5 * time.Minute).Unix(),
	}
	for name, value := range changes {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	key := jose.SigningKey{Algorithm: algorithm, Key: clientKeys()[algorithm]}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return credentials("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", signed)
}

func TestClientsAuthenticateWithAKey(t *testing.T) {
	t.Parallel()
	issuer, base := startIssuer(t, "")
	for _, algorithm := range []jose.SignatureAlgorithm{jose.RS384, jose.ES384, jose.RS512} {
		status, answer := ask(t, issuer, assertion(t, issuer, algorithm, nil))
		if status != http.StatusOK {
			t.Errorf("%s: %d %v", algorithm, status, answer)
			continue
		}
		if header, claims := claimsOf(t, base, answer); header.Algorithm != "RS256" || !cmp.Equal(claims["services"], []any{"s1"}) {
			t.Errorf("%s: %s, %v", algorithm, header.Algorithm, claims)
		}
	}
	if status, answer := ask(t, issuer, assertion(t, issuer, jose.ES384, object{"aud": base})); status != http.StatusOK {
		t.Errorf("aud is the issuer: %d %v", status, answer)
	}
}

func TestBadAssertionsAreRefused(t *testing.T) {
	t.Parallel()
	issuer, _ := startIssuer(t, "")
	for name, changes := range map[string]object{
		"other iss":      {"iss": "gp-a"},
		"other sub":      {"sub": "gp-a"},
		"other aud":      {"aud": "https://other.example/token"},
		"no aud":         {"aud": nil},
		"no jti":         {"jti": nil},
		"no exp":         {"exp": nil},
		"expired":        {"exp": noon.Add(-11 * time.Second).Unix()},
		"too long a lie": {"exp": noon.Add(5*time.Minute + 11*time.Second).Unix()},
		"not yet":        {"nbf": noon.Add(time.Minute).Unix()},
	} {
		status, answer := ask(t, issuer, assertion(t, issuer, jose.ES384, changes))
		if status != 401 || answer["error"] != "invalid_client" {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	if status, answer := ask(t, issuer, assertion(t, issuer, jose.PS384, nil)); status != 401 {
		t.Errorf("algorithm: %d %v", status, answer)
	}
	other := assertion(t, issuer, jose.ES384, nil)
	other.Set("client_id", "gp-a")
	if status, answer := ask(t, issuer, other); status != 401 {
		t.Errorf("other client_id: %d %v", status, answer)
	}
	bare := assertion(t, issuer, jose.ES384, nil)
	bare.Del("client_assertion_type")
	if status, answer := ask(t, issuer, bare); status != 400 {
		t.Errorf("no type: %d %v", status, answer)
	}
	forged := assertion(t, issuer, jose.ES384, nil)
	forged.Set("client_assertion", forged.Get("client_assertion")[:200])
	if status, answer := ask(t, issuer, forged); status != 401 {
		t.Errorf("cut: %d %v", status, answer)
	}
}

func TestAssertionIsTakenOnce(t *testing.T) {
	t.Parallel()
	issuer, _ := startIssuer(t, "")
	form := assertion(t, issuer, jose.ES384, nil)
	var taken atomic.Int64
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if status, _ := ask(t, issuer, form); status == http.StatusOK {
				taken.Add(1)
			}
		})
	}
	group.Wait()
	if n := taken.Load(); n != 1 {
		t.Errorf("taken %d times", n)
	}
}

func TestKeysSurviveARestart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	issuer, base := startIssuer(t, folder)
	if err := issuer.Rotate(); err != nil {
		t.Fatal(err)
	}
	before := published(t, base)

	_, baseAgain := startIssuer(t, folder)

	if diff := cmp.Diff(keyIDs(before), keyIDs(published(t, baseAgain))); diff != "" || len(before.Keys) != 4 {
		t.Errorf("keys (-before +after):\n%s", diff)
	}
}

func keyIDs(set jose.JSONWebKeySet) (ids []string) {
	for _, key := range set.Keys {
		ids = append(ids, key.KeyID)
	}
	return ids
}

func TestRotationKeepsOldTokensUntilKeysRetire(t *testing.T) {
	t.Parallel()
	issuer, base := startIssuer(t, "")
	_, answer := ask(t, issuer, secret())
	header, _ := claimsOf(t, base, answer)
	if err := issuer.Rotate(); err != nil {
		t.Fatal(err)
	}
	if header, _ := claimsOf(t, base, answer); header.KeyID == issuer.SigningKey(jose.ES256).KeyID {
		t.Error("the signing key is still the same")
	}
	if err := issuer.Retire(); err != nil {
		t.Fatal(err)
	}
	set := published(t, base)
	if len(set.Keys) != 2 || len(set.Key(header.KeyID)) != 0 {
		t.Errorf("published after the retirement: %v", keyIDs(set))
	}
}

func TestIssuerPublishesNoPrivateKey(t *testing.T) {
	t.Parallel()
	_, base := startIssuer(t, "")
	for _, key := range published(t, base).Keys {
		if !key.IsPublic() {
			t.Errorf("key %s is private", key.KeyID)
		}
	}
}
