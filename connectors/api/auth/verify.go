package auth

import (
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4/json" // refuses members that come twice, and takes names exactly

	"caselink.example/fhir"
)

// Verifier turns bearer tokens into principals. It may be used by many goroutines.
type Verifier struct {
	issuers map[string]*issuer
	cache   *cache
	now     func() time.Time
}

// issuer is a configured issuer with its defaults filled in.
type issuer struct {
	Issuer
	keys *keySet
}

// New returns a Verifier for a configuration that Check finds nothing wrong with. It asks
// nobody yet: an issuer is discovered when its first token comes, so that Caselink starts
// while the issuer is down.
func New(config Config) *Verifier {
	if config.Now == nil {
		config.Now = time.Now
	}
	client := http.Client{}
	if config.HTTPClient != nil {
		client = *config.HTTPClient // a copy: its owner's stays as it is
	}

	// The address of the keys is checked to be https; a redirect would lead past that.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	v := &Verifier{issuers: map[string]*issuer{}, cache: newCache(cmp.Or(config.Cached, defaultCached)), now: config.Now}
	for _, i := range config.Issuers {
		i.MaxLife = cmp.Or(i.MaxLife, defaultMaxLife)
		i.Claims = i.Claims.withDefaults()
		if len(i.Algorithms) == 0 {
			i.Algorithms = algorithms
		}
		keySet := &keySet{
			issuer: i.URL, client: &client, now: config.Now,
			life: cmp.Or(config.KeyLife, defaultKeyLife), grace: cmp.Or(config.KeyGrace, defaultKeyGrace),
		}
		keySet.current.Store(&keys{}) // never nil, so nobody has to ask
		v.issuers[i.URL] = &issuer{i, keySet}
	}
	return v
}

func (n ClaimNames) withDefaults() ClaimNames {
	return ClaimNames{
		Client: n.Client, // "" means client_id, then azp
		User:   cmp.Or(n.User, "sub"), UserName: cmp.Or(n.UserName, "name"), UserRole: cmp.Or(n.UserRole, "role"),
		ODS: cmp.Or(n.ODS, "ods"), Services: cmp.Or(n.Services, "services"), Scope: cmp.Or(n.Scope, "scope"),
	}
}

// Verify returns whom the token speaks for. Its errors repeat nothing of the token:
// IssueLogin (no token), IssueExpired, IssueUnknown (issuer or key), IssueSecurity
// (anything else about the token), IssueForbidden (it names its organisation in a way
// that cannot be understood) and IssueTransient (the issuer's keys cannot be had: 503).
func (v *Verifier) Verify(ctx context.Context, rawBearer string) (Principal, error) {
	if rawBearer == "" {
		return Principal{}, fhir.Errorf(fhir.IssueLogin, "an access token is needed")
	}
	if len(rawBearer) > maxToken {
		return Principal{}, fhir.Errorf(fhir.IssueSecurity, "a token has at most %d bytes", maxToken)
	}

	// What was found good stays so until the token expires or the issuer's keys change: a
	// key that is withdrawn takes its tokens with it, whatever is remembered.
	d := sha256.Sum256([]byte(rawBearer))
	if known := v.cache.get(d); known != nil && !v.now().After(known.principal.Expires.Add(leeway)) &&
		known.keys == known.issuer.keys.inForce(ctx) {
		return known.principal, nil
	}
	fresh, err := v.verify(ctx, rawBearer)
	if err != nil {
		return Principal{}, err
	}
	fresh.digest = d
	v.cache.put(fresh)
	return fresh.principal, nil
}

// verify does the whole work: form, issuer, header, signature, claims; in this order,
// so that nothing is asked of an issuer for a token that no key could save.
func (v *Verifier) verify(ctx context.Context, raw string) (*verified, error) {
	header, claims, err := open(raw)
	if err != nil {
		return nil, err
	}

	// iss is believed for nothing but to choose among the issuers that are configured.
	name, _ := claims.text("iss")
	i := v.issuers[name]
	if i == nil {
		return nil, fhir.Errorf(fhir.IssueUnknown, "the issuer of the token is not one that is accepted here")
	}
	if err := i.checkHeader(header, claims); err != nil {
		return nil, err
	}
	key, keys, err := i.keys.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}

	// go-oidc verifies the signature and iss, with one key and one algorithm that fit each
	// other; aud and times are checked below, with one leeway for all.
	door := oidc.NewVerifier(i.URL, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key.Key}}, &oidc.Config{
		SupportedSigningAlgs: []string{header.Algorithm}, SkipClientIDCheck: true, SkipExpiryCheck: true,
	})
	if _, err := door.Verify(ctx, raw); err != nil {
		return nil, fhir.Errorf(fhir.IssueSecurity, "the token does not verify: get a new one")
	}
	principal, err := i.principal(claims, v.now())
	if err != nil {
		return nil, err
	}
	return &verified{principal: principal, issuer: i, keys: keys}, nil
}

// header is what is read of a JOSE header. The last group are members that would let
// a token choose its own key or its own reading; no token with one of them is taken.
type header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`

	Crit json.RawMessage `json:"crit"`
	B64  json.RawMessage `json:"b64"`
	Zip  json.RawMessage `json:"zip"`
	JKU  json.RawMessage `json:"jku"`
	JWK  json.RawMessage `json:"jwk"`
	X5U  json.RawMessage `json:"x5u"`
	X5C  json.RawMessage `json:"x5c"`
}

func (h header) forbidden() bool {
	return h.Crit != nil || h.B64 != nil || h.Zip != nil || h.JKU != nil || h.JWK != nil || h.X5U != nil || h.X5C != nil
}

// strict takes base64url in the one spelling that a JWT may have.
var strict = base64.RawURLEncoding.Strict()

// open reads the parts of a compact JWS without believing them.
// https://www.rfc-editor.org/rfc/rfc7515#section-7.1
func open(raw string) (h header, c claims, err error) {
	bad := func(what string) (header, claims, error) {
		return header{}, nil, fhir.Errorf(fhir.IssueSecurity, "%s: send the access token as the issuer gave it", what)
	}
	if strings.Count(raw, ".") != 2 {
		return bad("not a signed JWT")
	}

	// Two spellings of one token would be two entries of the cache, and what one reader
	// skips another may not: the decoder skips line breaks, and takes loose trailing bits
	// unless it is strict.
	parts := strings.Split(raw, ".")
	if strings.ContainsAny(raw, "\r\n") || parts[2] == "" {
		return bad("not a signed JWT")
	}
	head, errHead := strict.DecodeString(parts[0])
	payload, errPayload := strict.DecodeString(parts[1])
	_, errSignature := strict.DecodeString(parts[2])
	if errHead != nil || errPayload != nil || errSignature != nil {
		return bad("not base64url")
	}
	if json.Unmarshal(head, &h) != nil || json.Unmarshal(payload, &c) != nil {
		return bad("header or claims are not JSON objects")
	}
	return h, c, nil
}

// checkHeader refuses algorithms that are not allowed and tokens that are no access
// tokens. A type of at+jwt says that it is one (RFC 9068 section 4). Issuers that
// predate RFC 9068 say JWT, as ID tokens do: such a token must have what an access
// token has, scope and client, and nothing that only an ID token has.
func (i *issuer) checkHeader(h header, c claims) error {
	// First of all, and from our list: the token must not choose how it is judged.
	if !slices.Contains(i.Algorithms, h.Algorithm) {
		return fhir.Errorf(fhir.IssueSecurity, "the token must be signed with %s", strings.Join(i.Algorithms, ", "))
	}
	if h.forbidden() {
		return fhir.Errorf(fhir.IssueSecurity, "the header of the token may have alg, typ and kid only")
	}
	switch strings.TrimPrefix(strings.ToLower(h.Type), "application/") {
	case "at+jwt":
		return nil
	case "jwt":
		if c.has(i.Claims.Scope) && i.client(c) != "" && !c.isIDToken() {
			return nil
		}
	}
	return fhir.Errorf(fhir.IssueSecurity, "not an access token: typ is at+jwt, or JWT with scope and client_id")
}
