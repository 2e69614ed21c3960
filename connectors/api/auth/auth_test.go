package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"hash"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/go-jose/go-jose/v4"

	"caselink.example/connectors/api/auth"
	"caselink.example/connectors/simulator"
)

const audience = "https://caselink.example"

// clock is the time of a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a running issuer and a verifier that trusts it.
type world struct {
	*simulator.Issuer
	*clock
	url      string
	verifier *auth.Verifier
	config   auth.Config
	fetches  atomic.Int64                     // of the JWKS
	instead  atomic.Pointer[http.HandlerFunc] // answers in the place of the issuer
}

var clients = []simulator.Client{
	{ID: "gp-a", Secret: "not-a-secret", Scope: "system/ServiceRequest.cruds system/Task.rs", Claims: map[string]any{"ods": "A99001"}},
	{ID: "app", Secret: "not-a-secret", Scope: "cases.read cases.write", Algorithm: jose.RS256,
		Claims: map[string]any{"services": []string{"s1", "s2"}, "sub": "user-7", "name": "Sam Link", "role": "link worker"}},
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{clock: &clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}}
	server := httptest.NewUnstartedServer(w)
	w.url = "http://" + server.Listener.Addr().String()
	var err error
	w.Issuer, err = simulator.NewIssuer(simulator.IssuerConfig{URL: w.url, Audience: audience, Clients: clients, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	w.config = auth.Config{Issuers: []auth.Issuer{{URL: w.url, Audience: audience}}, Now: w.Now}
	w.verifier = auth.New(w.config)
	return w
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/jwks" {
		w.fetches.Add(1)
	}
	if instead := w.instead.Load(); instead != nil {
		(*instead)(rw, r)
		return
	}
	w.Issuer.ServeHTTP(rw, r)
}

// answerWith puts a handler in the place of the issuer; nil puts the issuer back.
func (w *world) answerWith(h http.HandlerFunc) {
	if h == nil {
		w.instead.Store(nil)
		return
	}
	w.instead.Store(&h)
}

// token gets a token as a client does.
func (w *world) token(t testing.TB, client string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {"not-a-secret"}}
	response, err := http.PostForm(w.TokenURL(), form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("token for %s: status %d, %v", client, response.StatusCode, err)
	}
	return answer.AccessToken
}

type object = map[string]any

// forge signs a token with the issuer's own key of the algorithm. The changes replace
// what a good token has; nil removes it.
func (w *world) forge(t testing.TB, header, changes object) string {
	t.Helper()
	algorithm := "ES256"
	if changed, ok := header["alg"].(string); ok {
		algorithm = changed
	}
	family := jose.ES256
	if !strings.HasPrefix(algorithm, "ES") {
		family = jose.RS256
	}
	key := w.SigningKey(family)
	head := with(object{"alg": algorithm, "typ": "at+jwt", "kid": key.KeyID}, header)
	return seal(t, algorithm, key.Key, head, w.claims(changes))
}

// claims are those of a good token, with changes.
func (w *world) claims(changes object) object {
	now := w.Now().Unix()
	return with(object{
		"iss": w.url, "aud": audience, "sub": "gp-a", "client_id": "gp-a", "scope": "system/Task.rs",
		"ods": "A99001", "iat": now, "exp": now + 600, "jti": rand.Text(),
	}, changes)
}

func with(base, changes object) object {
	maps.Copy(base, changes)
	maps.DeleteFunc(base, func(_ string, v any) bool { return v == nil })
	return base
}

// seal makes a compact JWS with any header and any key.
func seal(t testing.TB, algorithm string, key any, header, claims any) string {
	t.Helper()
	input := b64(marshal(t, header)) + "." + b64(marshal(t, claims))
	return input + "." + b64(sign(t, algorithm, key, input))
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// marshal takes a []byte for JSON already.
func marshal(t testing.TB, v any) []byte {
	t.Helper()
	if raw, ok := v.([]byte); ok {
		return raw
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func sign(t testing.TB, algorithm string, key any, input string) []byte {
	t.Helper()
	hashes := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}
	h := hashes[algorithm[2:]]
	digest := func() []byte { d := h.New(); d.Write([]byte(input)); return d.Sum(nil) }
	var signature []byte
	var err error
	switch algorithm[:2] {
	case "HS":
		mac := hmac.New(func() hash.Hash { return h.New() }, key.([]byte))
		mac.Write([]byte(input))
		return mac.Sum(nil)
	case "RS":
		signature, err = rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), h, digest())
	case "PS":
		salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		signature, err = rsa.SignPSS(rand.Reader, key.(*rsa.PrivateKey), h, digest(), salt)
	case "ES":
		private := key.(*ecdsa.PrivateKey)
		r, s, signErr := ecdsa.Sign(rand.Reader, private, digest())
		size := (private.Curve.Params().BitSize + 7) / 8
		signature, err = make([]byte, 2*size), signErr
		r.FillBytes(signature[:size])
		s.FillBytes(signature[size:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return signature
}
