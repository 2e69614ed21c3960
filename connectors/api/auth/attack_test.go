package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"caselink.example/connectors/api/auth"
	"caselink.example/fhir"
)

// attack is a bad token, named after the recipe that it follows.
type attack struct {
	recipe string
	token  string
	want   fhir.Code
}

// attacks mints bad tokens against the keys of the run. elsewhere is a URL that no one may call.
func attacks(t *testing.T, w *world, elsewhere string) []attack {
	t.Helper()
	var all []attack
	add := func(recipe string, want fhir.Code, tokens ...string) {
		for _, token := range tokens {
			all = append(all, attack{recipe, token, want})
		}
	}
	good := w.forge(t, nil, nil)
	parts := strings.Split(good, ".")
	ecKey, rsaKey := w.SigningKey(jose.ES256), w.SigningKey(jose.RS256)
	header := func(changes object) object {
		return with(object{"alg": "ES256", "typ": "at+jwt", "kid": ecKey.KeyID}, changes)
	}
	unsigned := func(algorithm, signature string) string {
		return b64(marshal(t, header(object{"alg": algorithm}))) + "." + parts[1] + "." + signature
	}
	hmacWith := func(key []byte, changes object) string {
		return seal(t, "HS256", key, header(with(object{"alg": "HS256"}, changes)), w.claims(nil))
	}
	resign := func(algorithm string, key any, changes object) string {
		return seal(t, algorithm, key, header(with(object{"alg": algorithm}, changes)), w.claims(nil))
	}
	claim := func(name string, value any) string { return w.forge(t, nil, object{name: value}) }
	rawClaim := func(name, value string) string { // values that encoding/json would not write
		claims := marshal(t, w.claims(object{name: "PLACE"}))
		return seal(t, "ES256", ecKey.Key, header(nil), []byte(strings.Replace(string(claims), `"PLACE"`, value, 1)))
	}

	add("none-lower", fhir.IssueSecurity, unsigned("none", ""))
	add("none-case", fhir.IssueSecurity, unsigned("NoNe", ""), unsigned("nOnE", ""), unsigned("NONE", ""), unsigned("", ""))
	add("none-keep-sig", fhir.IssueSecurity, unsigned("none", parts[2]))
	add("strip-sig", fhir.IssueSecurity, parts[0]+"."+parts[1]+".", parts[0]+"."+parts[1])

	spki, err := x509.MarshalPKIXPublicKey(rsaKey.Public().Key)
	if err != nil {
		t.Fatal(err)
	}
	public := rsaKey.Public().Key.(*rsa.PublicKey)
	for _, block := range []*pem.Block{
		{Type: "PUBLIC KEY", Bytes: spki},
		{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(public)},
	} {
		text := pem.EncodeToMemory(block)
		add("hs-pubkey-pem", fhir.IssueSecurity,
			hmacWith(text, object{"kid": rsaKey.KeyID}), hmacWith(text[:len(text)-1], object{"kid": rsaKey.KeyID}))
	}
	add("hs-pubkey-jwk", fhir.IssueSecurity,
		hmacWith(marshal(t, rsaKey.Public()), object{"kid": rsaKey.KeyID}), hmacWith(public.N.Bytes(), object{"kid": rsaKey.KeyID}))

	add("alg-family", fhir.IssueUnknown,
		resign("RS256", rsaKey.Key, nil),                         // the key with this kid is for ES256
		resign("ES256", ecKey.Key, object{"kid": rsaKey.KeyID}),  // and the reverse
		resign("PS256", rsaKey.Key, object{"kid": rsaKey.KeyID}), // registered for RS256
		resign("RS384", rsaKey.Key, object{"kid": rsaKey.KeyID}), // likewise
		seal(t, "RS256", rsaKey.Key, header(object{"alg": "PS256", "kid": rsaKey.KeyID}), w.claims(nil)))
	add("alg-not-allowed", fhir.IssueSecurity,
		hmacWith([]byte("k"), nil), unsigned("ES512", parts[2]), unsigned("EdDSA", parts[2]), unsigned("ES256K", parts[2]))
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	add("wrong-key", fhir.IssueSecurity, resign("ES256", other, nil))
	add("tampered", fhir.IssueSecurity, parts[0]+"."+b64(marshal(t, w.claims(object{"ods": "A99002"})))+"."+parts[2])
	add("psychic-sig", fhir.IssueSecurity, parts[0]+"."+parts[1]+"."+b64(make([]byte, 64)))
	raw, _ := base64.RawURLEncoding.DecodeString(parts[2])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
	if err != nil {
		t.Fatal(err)
	}
	add("es-der", fhir.IssueSecurity, parts[0]+"."+parts[1]+"."+b64(der))

	add("kid-unknown", fhir.IssueUnknown, w.forge(t, object{"kid": "another"}, nil))
	add("kid-traversal", fhir.IssueSecurity,
		hmacWith(nil, object{"kid": "../../../../dev/null"}), hmacWith(nil, object{"kid": "file:///dev/null"}))
	add("kid-sqli", fhir.IssueSecurity, hmacWith([]byte("k"), object{"kid": "' UNION SELECT 'k' -- "}))
	add("kid-types", fhir.IssueSecurity,
		w.forge(t, object{"kid": 7}, nil), w.forge(t, object{"kid": []string{ecKey.KeyID}}, nil), w.forge(t, object{"kid": object{}}, nil),
		w.forge(t, object{"kid": strings.Repeat("k", 64<<10)}, nil))
	add("kid-types", fhir.IssueUnknown, w.forge(t, object{"kid": "a\r\nb"}, nil))

	forged := jose.JSONWebKey{Key: other.Public(), KeyID: ecKey.KeyID, Algorithm: "ES256"}
	add("jku-inject", fhir.IssueSecurity, resign("ES256", other, object{"jku": elsewhere}), w.forge(t, object{"jku": elsewhere}, nil))
	add("x5u-inject", fhir.IssueSecurity, resign("ES256", other, object{"x5u": elsewhere}), w.forge(t, object{"x5u": elsewhere}, nil))
	add("jwk-embed", fhir.IssueSecurity, resign("ES256", other, object{"jwk": forged}), w.forge(t, object{"jwk": forged}, nil))
	add("x5c-self", fhir.IssueSecurity, resign("ES256", other, object{"x5c": []string{"AA=="}}))
	add("crit-unknown", fhir.IssueSecurity, w.forge(t, object{"crit": []string{"x"}, "x": 1}, nil))
	add("b64-false", fhir.IssueSecurity,
		w.forge(t, object{"b64": false, "crit": []string{"b64"}}, nil), w.forge(t, object{"b64": true}, nil))
	add("zip", fhir.IssueSecurity, w.forge(t, object{"zip": "DEF"}, nil))
	add("jwe-instead", fhir.IssueSecurity, good+".AA.AA", "a.b.c.d.e")
	add("json-serialization", fhir.IssueSecurity,
		`{"protected":"`+parts[0]+`","payload":"`+parts[1]+`","signature":"`+parts[2]+`"}`)
	twice := []byte(`{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"` + ecKey.KeyID + `"}`)
	add("dup-header", fhir.IssueSecurity, seal(t, "ES256", ecKey.Key, twice, w.claims(nil)))
	twice = []byte(`{"typ":"at+jwt","alg":"none","ALG":"ES256","kid":"` + ecKey.KeyID + `"}`)
	add("dup-header", fhir.IssueSecurity, seal(t, "ES256", ecKey.Key, twice, w.claims(nil)))
	add("b64-variants", fhir.IssueSecurity,
		good+"=", good+"\n", " "+good, good+" ", parts[0]+"\n."+parts[1]+"."+parts[2],
		parts[0]+"."+parts[1]+"."+respell(parts[2]), parts[0]+"."+parts[1]+"."+parts[2]+"+/")

	idToken := object{"nonce": "n", "scope": "openid"}
	add("typ-id-token", fhir.IssueSecurity,
		w.forge(t, object{"typ": "JWT"}, idToken), w.forge(t, object{"typ": "JWT"}, object{"at_hash": "h"}),
		w.forge(t, object{"typ": "JWT"}, object{"token_use": "id"}), w.forge(t, object{"typ": "JWT"}, object{"typ": "ID"}),
		w.forge(t, object{"typ": "JWT"}, object{"scope": nil}), w.forge(t, object{"typ": "JWT"}, object{"client_id": nil}),
		w.forge(t, object{"typ": nil}, nil), w.forge(t, object{"typ": "logout+jwt"}, nil), w.forge(t, object{"typ": "dpop+jwt"}, nil))
	add("typ-assertion", fhir.IssueUnknown, w.forge(t, object{"typ": "JWT"}, object{"iss": "gp-a", "aud": w.TokenURL(), "scope": nil}))
	add("iss-wrong", fhir.IssueUnknown,
		claim("iss", w.url+"/"), claim("iss", w.url+".attacker"), claim("iss", strings.ToUpper(w.url)),
		claim("iss", strings.Replace(w.url, "http", "https", 1)),
		claim("iss", strings.Replace(w.url, "://", "://user@", 1)), claim("iss", []string{w.url}), claim("iss", ""))
	add("iss-missing", fhir.IssueUnknown, claim("iss", nil))
	add("aud-wrong", fhir.IssueUnknown,
		claim("aud", "https://other.example"), claim("aud", []string{"a", "b"}), claim("aud", []string{}), claim("aud", audience+"/"),
		claim("aud", audience[:len(audience)-1]), claim("aud", strings.ToUpper(audience)))
	add("aud-wrong", fhir.IssueSecurity, claim("aud", object{"a": audience}))
	add("aud-missing", fhir.IssueUnknown, claim("aud", nil))
	now := w.Now().Unix()
	add("exp-past", fhir.IssueExpired, w.forge(t, nil, object{"iat": now - 600, "exp": now - 61}))
	add("exp-missing", fhir.IssueSecurity, claim("exp", nil))
	add("exp-types", fhir.IssueSecurity,
		claim("exp", "soon"), rawClaim("exp", `"`+"1900000000"+`"`), rawClaim("exp", "1e400"), claim("exp", -1), claim("exp", 0),
		rawClaim("exp", "253402300800000"), rawClaim("exp", "9223372036854775808"), rawClaim("exp", "null"),
		claim("exp", []int{1}), claim("exp", true))
	add("nbf-future", fhir.IssueSecurity, claim("nbf", now+61), claim("nbf", "now"))
	add("iat-future", fhir.IssueSecurity, claim("iat", now+61), claim("iat", nil), claim("iat", "now"))
	add("lifetime-long", fhir.IssueSecurity,
		w.forge(t, nil, object{"exp": now + 3661}), w.forge(t, nil, object{"exp": now + 10*365*86400}),
		w.forge(t, nil, object{"iat": now - 86400}))
	add("claim-missing", fhir.IssueSecurity, claim("sub", nil), claim("sub", ""), claim("client_id", nil), claim("client_id", 7))
	add("ods-unclear", fhir.IssueForbidden,
		claim("ods", []string{"A99001", "A99002"}), claim("ods", 7), rawClaim("ods", "null"), claim("ods", ""), claim("ods", object{}))
	add("services-unclear", fhir.IssueForbidden, claim("services", object{}), claim("services", []int{1}))
	add("not-json", fhir.IssueSecurity, "a.b.c",
		b64([]byte("{}"))+"."+b64([]byte("[]"))+".AA", b64([]byte("null"))+"."+b64([]byte("7"))+".AA")
	add("many-dots", fhir.IssueSecurity, strings.Repeat(".", 8<<10), "..", ".", strings.Repeat("a.", 100))
	add("too-long", fhir.IssueSecurity, strings.Repeat("a", 16<<10+1), claim("pad", strings.Repeat("a", 16<<10)))
	add("no-token", fhir.IssueLogin, "")
	return all
}

// respell changes the bits of the last character that carry nothing.
func respell(signature string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, signature[len(signature)-1])
	return signature[:len(signature)-1] + alphabet[last|1:last|1+1]
}

func TestBadTokensAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var called atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	t.Cleanup(elsewhere.Close)
	good := w.forge(t, nil, nil)

	for _, a := range attacks(t, w, elsewhere.URL) {
		if _, err := w.verifier.Verify(t.Context(), good); err != nil {
			t.Fatalf("before %s: a good token is refused: %v", a.recipe, err)
		}
		principal, err := w.verifier.Verify(t.Context(), a.token)
		if !fhir.Is(err, a.want) {
			t.Errorf("%s: %.60q: got %v, want %s", a.recipe, a.token, err, a.want)
		}
		if principal.Client != "" || principal.ODS != "" {
			t.Errorf("%s: refused, but the principal is %+v", a.recipe, principal)
		}
		if err != nil && len(a.token) > 8 && strings.Contains(err.Error(), a.token[:8]) {
			t.Errorf("%s: the error repeats the token: %v", a.recipe, err)
		}
	}
	if n := called.Load(); n != 0 {
		t.Errorf("a URL of a token was called %d times", n)
	}
	if n := w.fetches.Load(); n > 2 {
		t.Errorf("%d JWKS fetches", n)
	}
}

// elsewhere are the recipes that are not about one token: where they are tried.
var triedElsewhere = map[string]string{
	"kid-absent":    "TestTokenWithoutKidNeedsASingleKey",
	"jti-replay":    "simulator: TestAssertionIsTakenOnce",
	"rotation":      "TestRotatedKeysAreFound, TestWithdrawnKeysEnd",
	"jwks-down":     "TestBrokenIssuerIsTransient",
	"scope-missing": "TestScopesAllowWhatSMARTSays",
	"scope-other":   "TestScopesAllowWhatSMARTSays",
	"scope-prefix":  "TestScopesAllowWhatSMARTSays",
	"transport":     "TestBearerTakesOneHeader",
	"bola-org":      "the REST API and the database, which know the rows",
}

// The recipes are a file of the corpus; without it, those that are named here.
func TestEveryRecipeIsTried(t *testing.T) {
	t.Parallel()
	recipes := []string{"none-lower", "hs-pubkey-pem", "jku-inject", "typ-id-token", "aud-wrong", "exp-types", "rotation"}
	if corpus := os.Getenv("CASELINK_CORPUS"); corpus != "" {
		raw, err := os.ReadFile(filepath.Join(corpus, "hostile", "jwt-attack-recipes.json"))
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Recipes []struct{ ID string } }
		if err := json.Unmarshal(raw, &file); err != nil {
			t.Fatal(err)
		}
		for _, recipe := range file.Recipes {
			recipes = append(recipes, recipe.ID)
		}
	}
	tried := attacks(t, newWorld(t), "http://127.0.0.1:1")
	for _, recipe := range recipes {
		if triedElsewhere[recipe] == "" && !slices.ContainsFunc(tried, func(a attack) bool { return a.recipe == recipe }) {
			t.Errorf("no attack follows the recipe %s", recipe)
		}
	}
}

func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	f.Add(w.forge(f, nil, nil))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		principal, err := w.verifier.Verify(context.Background(), token)
		if err == nil && principal.Client != "gp-a" {
			t.Errorf("accepted for %+v", principal)
		}
		if err != nil && len(fhir.ErrorsOf(err)) == 1 && fhir.Is(err, fhir.IssueException) {
			t.Errorf("not a refusal: %v", err)
		}
	})
}

func TestBearerTakesOneHeader(t *testing.T) {
	t.Parallel()
	for _, values := range [][]string{{"Bearer abc"}, {"bearer abc"}, {"BEARER abc"}} {
		if got, err := auth.Bearer(http.Header{"Authorization": values}); got != "abc" || err != nil {
			t.Errorf("Bearer(%q) = %q, %v", values, got, err)
		}
	}
	for _, values := range [][]string{nil, {""}, {"Bearer"}, {"Basic abc"}, {" Bearer abc"}, {"Bearer a", "Bearer b"}, {"abc"}} {
		if got, err := auth.Bearer(http.Header{"Authorization": values}); !fhir.Is(err, fhir.IssueLogin) {
			t.Errorf("Bearer(%q) = %q, %v", values, got, err)
		}
	}
}
