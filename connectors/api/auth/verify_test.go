package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/auth"
	"caselink.example/fhir"
)

func TestTokensOfTheIssuerNameTheCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expires := w.Now().Add(time.Hour)
	want := map[string]auth.Principal{
		"gp-a": {Client: "gp-a", ODS: "A99001", Scopes: auth.Scopes{"system/ServiceRequest.cruds", "system/Task.rs"}, Expires: expires},
		"app": {Client: "app", User: "user-7", UserName: "Sam Link", UserRole: "link worker", Services: []string{"s1", "s2"},
			Scopes: auth.Scopes{"cases.read", "cases.write"}, Expires: expires},
	}
	for client, want := range want {
		token := w.token(t, client)
		for _, times := range []string{"first", "from the cache"} {
			got, err := w.verifier.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", client, times, diff)
			}
		}
	}
}

func TestClaimNamesAreConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.Issuers[0].Claims = auth.ClaimNames{
		Client: "cid", User: "uid", UserName: "n", UserRole: "r", ODS: "org", Services: "svc", Scope: "scp",
	}
	token := w.forge(t, nil, object{
		"client_id": nil, "cid": "c", "uid": "u", "n": "N", "r": "R", "org": "A99003", "svc": "s9", "scp": []string{"a", "b c"},
		"ods": "A99001", "scope": "admin", "sub": "subject",
	})

	got, err := auth.New(w.config).Verify(t.Context(), token)

	want := auth.Principal{Client: "c", User: "u", UserName: "N", UserRole: "R", ODS: "A99003", Services: []string{"s9"},
		Scopes: auth.Scopes{"a", "b", "c"}, Expires: w.Now().Add(10 * time.Minute)}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestPlainJWTWithScopeAndClientIsAnAccessToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, typ := range []string{"JWT", "jwt", "at+JWT", "application/at+jwt"} {
		if _, err := w.verifier.Verify(t.Context(), w.forge(t, object{"typ": typ}, nil)); err != nil {
			t.Errorf("typ %s: %v", typ, err)
		}
	}
	azp := w.forge(t, object{"typ": "JWT"}, object{"client_id": nil, "azp": "gp-a"})
	if got, err := w.verifier.Verify(t.Context(), azp); got.Client != "gp-a" || err != nil {
		t.Errorf("azp: %+v, %v", got, err)
	}
}

func TestClocksMayDifferByAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := w.Now().Unix()
	tests := []struct {
		claim  string
		offset int64
		want   fhir.Code // "" for good
	}{
		{"exp", -61, fhir.IssueExpired}, {"exp", -60, ""}, {"exp", 0, ""}, {"exp", 60, ""}, {"exp", 61, ""},
		{"nbf", -61, ""}, {"nbf", -60, ""}, {"nbf", 0, ""}, {"nbf", 60, ""}, {"nbf", 61, fhir.IssueSecurity},
		{"iat", -61, ""}, {"iat", -60, ""}, {"iat", 0, ""}, {"iat", 60, ""}, {"iat", 61, fhir.IssueSecurity},
	}
	for _, test := range tests {
		claims := object{"iat": now - 300, test.claim: now + test.offset}
		_, err := w.verifier.Verify(t.Context(), w.forge(t, nil, claims))
		if test.want == "" && err != nil || test.want != "" && !fhir.Is(err, test.want) {
			t.Errorf("%s %+d s: got %v, want %q", test.claim, test.offset, err, test.want)
		}
	}
	// The life of a token has the same leeway.
	for life, good := range map[int64]bool{3600: true, 3660: true, 3661: false} {
		if _, err := w.verifier.Verify(t.Context(), w.forge(t, nil, object{"exp": now + life})); (err == nil) != good {
			t.Errorf("life %d s: %v", life, err)
		}
	}
}

func TestCachedTokenExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.forge(t, nil, nil) // for ten minutes
	for _, step := range []struct {
		advance time.Duration
		good    bool
	}{{0, true}, {10 * time.Minute, true}, {time.Minute, true}, {time.Second, false}} {
		w.advance(step.advance)
		if _, err := w.verifier.Verify(t.Context(), token); (err == nil) != step.good {
			t.Errorf("after another %s: %v", step.advance, err)
		}
	}
}

func TestEveryAlgorithmOfTheListVerifies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rsaKey := w.SigningKey(jose.RS256).Key.(*rsa.PrivateKey)
	p256 := w.SigningKey(jose.ES256).Key.(*ecdsa.PrivateKey)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.serveKeys(t, jwk("rsa", &rsaKey.PublicKey), jwk("p256", &p256.PublicKey), jwk("p384", &p384.PublicKey))
	for _, algorithm := range auth.Algorithms() {
		kid, private := "rsa", any(rsaKey)
		switch algorithm {
		case "ES256":
			kid, private = "p256", p256
		case "ES384":
			kid, private = "p384", p384
		}
		token := seal(t, algorithm, private, object{"alg": algorithm, "typ": "at+jwt", "kid": kid}, w.claims(nil))
		if _, err := w.verifier.Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
	if err := w.config.Check(); err != nil {
		t.Error(err)
	}
	w.config.Issuers[0].Algorithms = []string{"ES256"}
	token := seal(t, "ES384", p384, object{"alg": "ES384", "typ": "at+jwt", "kid": "p384"}, w.claims(nil))
	if _, err := auth.New(w.config).Verify(t.Context(), token); !fhir.Is(err, fhir.IssueSecurity) {
		t.Errorf("an algorithm that the issuer may not use: %v", err)
	}
}

func jwk(kid string, public any) object {
	raw, err := json.Marshal(jose.JSONWebKey{Key: public, KeyID: kid})
	if err != nil {
		panic(err)
	}
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		panic(err)
	}
	return o
}

// serveKeys publishes these keys in the place of the issuer's.
func (w *world) serveKeys(t *testing.T, keys ...object) {
	t.Helper()
	document := marshal(t, object{"keys": keys})
	w.answerWith(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/jwks" {
			w.Issuer.ServeHTTP(rw, r)
			return
		}
		if _, err := rw.Write(document); err != nil {
			t.Error(err)
		}
	})
}

func TestKeysForOtherPurposesVerifyNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.SigningKey(jose.ES256)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := w.SigningKey(jose.RS256)
	spare := jwk("spare", rsaKey.Public().Key) // for a set that is not empty
	private, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	var leaked object
	if err := json.Unmarshal(private, &leaked); err != nil {
		t.Fatal(err)
	}
	with256 := func(changes object) object { return with(jwk(key.KeyID, key.Public().Key), changes) }
	tests := map[string]struct {
		key  object
		good bool
	}{
		"plain":           {with256(nil), true},
		"use sig":         {with256(object{"use": "sig"}), true},
		"key_ops verify":  {with256(object{"key_ops": []string{"verify"}}), true},
		"use enc":         {with256(object{"use": "enc"}), false},
		"key_ops encrypt": {with256(object{"key_ops": []string{"encrypt"}}), false},
		"alg ES384":       {with256(object{"alg": "ES384"}), false},
		"private":         {leaked, false},
		"symmetric":       {object{"kty": "oct", "k": "AAAA", "kid": key.KeyID}, false},
		"unknown kty":     {object{"kty": "XX", "kid": key.KeyID}, false},
		"short RSA":       {jwk("short", &small.PublicKey), false},
	}
	token := w.forge(t, nil, nil)
	short := seal(t, "RS256", small, object{"alg": "RS256", "typ": "at+jwt", "kid": "short"}, w.claims(nil))
	for name, test := range tests {
		w.serveKeys(t, test.key, spare)
		token := token
		if name == "short RSA" {
			token = short
		}
		_, err := auth.New(w.config).Verify(t.Context(), token)
		if test.good && err != nil || !test.good && !fhir.Is(err, fhir.IssueUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokenWithoutKidNeedsASingleKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.forge(t, object{"kid": nil}, nil)
	if _, err := w.verifier.Verify(t.Context(), token); err != nil {
		t.Errorf("one key fits: %v", err)
	}
	if err := w.Rotate(); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.New(w.config).Verify(t.Context(), w.forge(t, object{"kid": nil}, nil)); !fhir.Is(err, fhir.IssueSecurity) {
		t.Errorf("two keys fit: %v", err)
	}
	key := w.SigningKey(jose.ES256)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.serveKeys(t, jwk(key.KeyID, key.Public().Key), jwk(key.KeyID, &other.PublicKey))
	if _, err := auth.New(w.config).Verify(t.Context(), w.forge(t, nil, nil)); !fhir.Is(err, fhir.IssueSecurity) {
		t.Errorf("one kid for two keys: %v", err)
	}
}

func TestBadTokensCauseTwoFetchesAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.forge(t, nil, nil)
	const workers, each = 20, 500
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for n := range each {
				header := fmt.Appendf(nil, `{"alg":"ES256","typ":"at+jwt","kid":"k%d-%d"}`, worker, n)
				bad := fmt.Sprintf("%s.%s.%s", b64(header), strings.Split(good, ".")[1], "AAAA")
				if _, err := w.verifier.Verify(t.Context(), bad); !fhir.Is(err, fhir.IssueUnknown) {
					t.Errorf("bad token: %v", err)
				}
			}
			if _, err := w.verifier.Verify(t.Context(), good); err != nil {
				t.Errorf("good token: %v", err)
			}
		})
	}
	group.Wait()
	if n := w.fetches.Load(); n > 2 {
		t.Errorf("%d JWKS fetches", n)
	}
}

func TestRotatedKeysAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.token(t, "gp-a")
	if _, err := w.verifier.Verify(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if err := w.Rotate(); err != nil {
		t.Fatal(err)
	}
	after := w.token(t, "gp-a")
	if _, err := w.verifier.Verify(t.Context(), after); !fhir.Is(err, fhir.IssueUnknown) {
		t.Errorf("within the pause: %v", err)
	}
	w.advance(30 * time.Second)
	for name, token := range map[string]string{"new": after, "old": before} {
		if _, err := w.verifier.Verify(t.Context(), token); err != nil {
			t.Errorf("%s key: %v", name, err)
		}
	}
	if n := w.fetches.Load(); n != 2 {
		t.Errorf("%d JWKS fetches, want 2", n)
	}
}

func TestWithdrawnKeysEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.token(t, "gp-a")
	if _, err := w.verifier.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if err := w.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := w.Retire(); err != nil {
		t.Fatal(err)
	}
	w.advance(15*time.Minute + time.Second) // after a quiet time the first caller waits for fresh keys
	if _, err := w.verifier.Verify(t.Context(), token); !fhir.Is(err, fhir.IssueUnknown) {
		t.Errorf("token of a withdrawn key, verified before: %v", err)
	}
}

// slowNetwork holds requests back while there is a channel to wait for.
type slowNetwork struct {
	hold   atomic.Pointer[chan struct{}]
	held   chan struct{} // gets one for each request that is held back
	gaveUp atomic.Bool
}

func (s *slowNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	if hold := s.hold.Load(); hold != nil {
		s.held <- struct{}{}
		select {
		case <-*hold:
		case <-r.Context().Done():
			s.gaveUp.Store(true)
			return nil, r.Context().Err()
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestKeysAreRenewedWhileNobodyWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	network := &slowNetwork{held: make(chan struct{}, 10)}
	w.config.HTTPClient = &http.Client{Transport: network}
	v := auth.New(w.config)
	token := w.token(t, "gp-a")
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	network.hold.Store(&release)
	w.advance(8 * time.Minute) // half of the keys' life is over
	for range 3 {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("while the issuer is slow: %v", err)
		}
	}
	<-network.held
	if network.gaveUp.Load() || len(network.held) != 0 {
		t.Error("a caller waited for the keys, or they were asked for more than once")
	}
	close(release)
}

func TestKeysOutliveTheirIssuerForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.Issuers[0].MaxLife = 10 * time.Hour
	v := auth.New(w.config)
	token := func() string { return w.forge(t, nil, object{"exp": w.Now().Add(9 * time.Hour).Unix()}) }
	first := token()
	if _, err := v.Verify(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.answerWith(unavailable)
	w.advance(time.Hour)
	for name, token := range map[string]string{"known": first, "new": token()} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("%s token, issuer down for an hour: %v", name, err)
		}
	}
	w.advance(time.Second)
	for name, token := range map[string]string{"known": first, "new": token()} {
		if _, err := v.Verify(t.Context(), token); !fhir.Is(err, fhir.IssueTransient) {
			t.Errorf("%s token, after the grace: %v", name, err)
		}
	}
}

func unavailable(rw http.ResponseWriter, _ *http.Request) {
	rw.WriteHeader(http.StatusServiceUnavailable)
}

func TestIssuerThatWasDownIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.token(t, "gp-a")
	var asked int
	w.answerWith(func(rw http.ResponseWriter, r *http.Request) { asked++; unavailable(rw, r) })
	for range 100 {
		if _, err := w.verifier.Verify(t.Context(), token); !fhir.Is(err, fhir.IssueTransient) {
			t.Fatalf("issuer down: %v", err)
		}
	}
	if asked != 1 {
		t.Errorf("the issuer was asked %d times, want once", asked)
	}
	w.answerWith(nil)
	w.advance(29 * time.Second)
	if _, err := w.verifier.Verify(t.Context(), token); !fhir.Is(err, fhir.IssueTransient) {
		t.Errorf("within the pause: %v", err)
	}
	w.advance(time.Second)
	if _, err := w.verifier.Verify(t.Context(), token); err != nil {
		t.Errorf("issuer up: %v", err)
	}
}

func TestMovedKeysAreDiscoveredAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.token(t, "gp-a")
	if _, err := w.verifier.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	w.answerWith(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/jwks":
			rw.WriteHeader(http.StatusNotFound)
		case "/moved":
			r.URL.Path = "/jwks"
			w.Issuer.ServeHTTP(rw, r)
		default:
			_, _ = rw.Write([]byte(`{"issuer":"` + w.url + `","jwks_uri":"` + w.url + `/moved"}`))
		}
	})
	if err := w.Rotate(); err != nil {
		t.Fatal(err)
	}
	moved := w.forge(t, nil, nil)
	for _, want := range []fhir.Code{fhir.IssueUnknown, ""} {
		w.advance(30 * time.Second)
		if _, err := w.verifier.Verify(t.Context(), moved); want == "" && err != nil || want != "" && !fhir.Is(err, want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestFirstCallersShareOneFetch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.token(t, "gp-a")
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := w.verifier.Verify(t.Context(), token); err != nil {
				t.Errorf("good token: %v", err)
			}
		})
	}
	group.Wait()
	if n := w.fetches.Load(); n != 1 {
		t.Errorf("%d JWKS fetches, want 1", n)
	}
}

func TestBrokenIssuerIsTransient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.forge(t, nil, nil)
	write := func(text string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write([]byte(text)) // a client that has seen enough hangs up
		}
	}
	onlyJWKS := func(h http.HandlerFunc) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/jwks" {
				h(rw, r)
			} else {
				w.Issuer.ServeHTTP(rw, r)
			}
		}
	}
	onlyDiscovery := func(h http.HandlerFunc) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/.well-known/openid-configuration" {
				h(rw, r)
			} else {
				r.URL.Path = strings.TrimPrefix(r.URL.Path, "/moved")
				w.Issuer.ServeHTTP(rw, r)
			}
		}
	}
	key := w.SigningKey(jose.ES256)
	real := string(marshal(t, key.Public()))
	faults := map[string]http.HandlerFunc{
		"discovery is HTML":           onlyDiscovery(write("<html>")),
		"discovery of another issuer": onlyDiscovery(write(`{"issuer":"http://127.0.0.1:1","jwks_uri":"` + w.url + `/jwks"}`)),
		"JWKS elsewhere in clear":     onlyDiscovery(write(`{"issuer":"` + w.url + `","jwks_uri":"http://keys.example/jwks"}`)),
		"discovery redirects": onlyDiscovery(func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, w.url+"/moved"+r.URL.Path, http.StatusFound)
		}),
		"JWKS 500":         onlyJWKS(unavailable),
		"JWKS garbage":     onlyJWKS(write("not JSON")),
		"JWKS empty":       onlyJWKS(write(`{"keys":[]}`)),
		"JWKS of 10 MiB":   onlyJWKS(write(`{"keys":[` + real + `]}` + strings.Repeat(" ", 10<<20))),
		"JWKS of 101 keys": onlyJWKS(write(`{"keys":[` + strings.Repeat(`{"kty":"XX"},`, 100) + real + `]}`)),
		"JWKS cut":         onlyJWKS(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
	}
	for name, fault := range faults {
		w.answerWith(fault)
		v := auth.New(w.config)
		if _, err := v.Verify(t.Context(), token); !fhir.Is(err, fhir.IssueTransient) {
			t.Errorf("%s: %v", name, err)
		}
		w.answerWith(nil)
		w.advance(30 * time.Second)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("%s, then well: %v", name, err)
		}
		w.advance(-30 * time.Second)
	}
}

func TestIssuersDoNotVouchForEachOther(t *testing.T) {
	t.Parallel()
	a, b := newWorld(t), newWorld(t)
	v := auth.New(auth.Config{Now: a.Now, Issuers: []auth.Issuer{
		{URL: a.url, Audience: audience}, {URL: b.url, Audience: "https://second.example"},
	}})
	if _, err := v.Verify(t.Context(), a.forge(t, nil, nil)); err != nil {
		t.Errorf("own token: %v", err)
	}
	forged := a.forge(t, nil, object{"iss": b.url, "aud": "https://second.example"})
	if _, err := v.Verify(t.Context(), forged); !fhir.Is(err, fhir.IssueUnknown) {
		t.Errorf("signed by the first in the name of the second: %v", err)
	}
	if _, err := v.Verify(t.Context(), b.forge(t, nil, nil)); !fhir.Is(err, fhir.IssueUnknown) {
		t.Errorf("audience of the first with the second: %v", err)
	}
}

func TestConfigTellsEveryFault(t *testing.T) {
	t.Parallel()
	config := auth.Config{Issuers: []auth.Issuer{
		{URL: "http://issuer.example", Audience: audience},
		{URL: "https://issuer.example", Audience: ""},
		{URL: "https://issuer.example", Audience: audience, Algorithms: []string{"HS256"}},
		{URL: "issuer", Audience: audience},
	}}
	err := config.Check()
	if err == nil {
		t.Fatal("no fault found")
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != 5 {
		t.Errorf("%d faults, want 5: %v", got, err)
	}
}

func BenchmarkVerifyCached(b *testing.B) {
	w := newWorld(b)
	token := w.forge(b, nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.verifier.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyUncached(b *testing.B) {
	for _, algorithm := range []string{"ES256", "RS256"} {
		b.Run(algorithm, func(b *testing.B) {
			w := newWorld(b)
			w.config.Cached = 1
			v := auth.New(w.config)
			tokens := []string{w.forge(b, object{"alg": algorithm}, nil), w.forge(b, object{"alg": algorithm}, nil)}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, err := v.Verify(b.Context(), tokens[n%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
