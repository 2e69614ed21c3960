package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"caselink.example/fhir"
)

const (
	maxKeySet    = 256 << 10        // bytes of a JWKS or discovery document
	maxKeys      = 100              // of one issuer
	minRSABits   = 2048             // https://www.rfc-editor.org/rfc/rfc7518#section-3.3
	fetchPause   = 30 * time.Second // between two attempts to fetch, whatever the tokens
	fetchTimeout = 5 * time.Second
)

// keySet is the published keys of one issuer. It fetches them when they are first
// needed, when they are old and when a token names a key that it does not have; but
// never twice within fetchPause, so that tokens, however many and however bad, are no
// way to make Caselink attack the issuer.
//
// A key that has just been published may therefore be refused for up to fetchPause;
// issuers publish a key before they sign with it.
type keySet struct {
	issuer      string
	client      *http.Client
	now         func() time.Time
	life, grace time.Duration

	flight  singleflight.Group
	busy    atomic.Bool          // a fetch is in flight
	current atomic.Pointer[keys] // replaced, never changed
	jwksURL string               // from discovery; belongs to the fetch in flight
}

// keys are what one attempt to fetch left behind.
type keys struct {
	list      *[]key // nil when there never were any; the same pointer while the issuer publishes the same
	document  []byte // that the list is from
	fetched   time.Time
	attempted time.Time
}

type key struct {
	jose.JSONWebKey
}

// usable is the list while it may serve.
func (s *keySet) usable(k *keys, now time.Time) *[]key {
	if k.list == nil || now.After(k.fetched.Add(s.life+s.grace)) {
		return nil
	}
	return k.list
}

// due reports whether a fetch is wanted because of age. It is wanted at half of the
// life already, so that nobody has to wait for it while requests keep coming.
func (s *keySet) due(k *keys, now time.Time) bool {
	return !now.Before(k.fetched.Add(s.life/2)) && s.mayFetch(k, now)
}

func (s *keySet) mayFetch(k *keys, now time.Time) bool {
	return !now.Before(k.attempted.Add(fetchPause))
}

// inForce is the list of keys that tokens are judged by now; nil when there is none.
// Keys past their life serve while others are on their way, except that the first
// caller after a quiet time waits.
func (s *keySet) inForce(ctx context.Context) *[]key {
	k, now := s.current.Load(), s.now()
	if s.due(k, now) {
		// These wait: everybody while there is nothing to judge by, and after a quiet time,
		// in which a key may have been withdrawn, those that come before the first attempt
		// since the keys died. Nobody else, so that an issuer that is slow or away costs a
		// request in fetchPause some time and not all of them.
		dead := k.fetched.Add(s.life)
		k = s.refresh(ctx, s.usable(k, now) == nil || now.After(dead) && !k.attempted.After(dead))
	}
	return s.usable(k, now)
}

// find returns the one key that is to verify a token with this header, and the list
// that it is from. IssueTransient: no keys to judge by. IssueUnknown: no such key.
func (s *keySet) find(ctx context.Context, kid, algorithm string) (*key, *[]key, error) {
	list := s.inForce(ctx)

	// A key that is not there may be new. The cool-down counts for all tokens together:
	// with one for each kid, made-up kids would fetch without end.
	if list != nil && len(matching(*list, kid, algorithm)) == 0 && s.mayFetch(s.current.Load(), s.now()) {
		list = s.usable(s.refresh(ctx, true), s.now())
	}
	if list == nil {
		return nil, nil, fhir.Errorf(fhir.IssueTransient,
			"the keys of the issuer are not at hand: try again in %d seconds", int(fetchPause.Seconds()))
	}
	switch matches := matching(*list, kid, algorithm); len(matches) {
	case 0:
		return nil, nil, fhir.Errorf(fhir.IssueUnknown, "the issuer publishes no key for this token: get a new token")
	case 1:
		return matches[0], list, nil
	default:
		return nil, nil, fhir.Errorf(fhir.IssueSecurity,
			"several keys of the issuer fit the token: its header needs a kid, and each kid one key")
	}
}

// matching lists the keys that fit. A token without a kid fits every key of its algorithm.
func matching(list []key, kid, algorithm string) []*key {
	var matches []*key
	for i := range list {
		if k := &list[i]; (kid == "" || k.KeyID == kid) && k.fits(algorithm) {
			matches = append(matches, k)
		}
	}
	return matches
}

// fits reports whether the key is one for the algorithm.
// https://www.rfc-editor.org/rfc/rfc7518#section-3.1
func (k *key) fits(algorithm string) bool {
	if k.Algorithm != "" && k.Algorithm != algorithm {
		return false
	}
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return algorithm == string(jose.ES256) && public.Curve == elliptic.P256() ||
			algorithm == string(jose.ES384) && public.Curve == elliptic.P384()
	}
	return false
}

// refresh fetches, together with everyone who wants to at the same time. The fetch
// outlives a caller who gives up. Without wait it returns what there is.
func (s *keySet) refresh(ctx context.Context, wait bool) *keys {
	// DoChan keeps a channel for each caller until the fetch ends: those who do not wait
	// would heap them up while the issuer hangs.
	if !wait && s.busy.Load() {
		return s.current.Load()
	}
	done := s.flight.DoChan("", func() (any, error) {
		s.busy.Store(true)
		defer s.busy.Store(false)
		s.attempt(context.WithoutCancel(ctx))
		return nil, nil
	})
	if wait {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	return s.current.Load()
}

// attempt fetches once, unless someone has just done so. When it fails, the keys that
// were there stay.
func (s *keySet) attempt(ctx context.Context) {
	// Whoever decided to fetch before the last attempt ended arrives here after it.
	before, now := s.current.Load(), s.now()
	if !s.mayFetch(before, now) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	after := *before
	after.attempted = now
	if document, list, err := s.fetch(ctx); err == nil {
		after.fetched = now

		// The list's address is what remembered tokens are compared by: equal documents must
		// not forget them all every few minutes.
		if !bytes.Equal(document, before.document) {
			after.document, after.list = document, &list
		}
	}
	s.current.Store(&after)
}

// fetch gets the JWKS, and discovers first where it is if the last fetch did not succeed.
func (s *keySet) fetch(ctx context.Context) (document []byte, list []key, err error) {
	if s.jwksURL == "" {
		if s.jwksURL, err = s.discover(ctx); err != nil {
			return nil, nil, err
		}
	}
	document, err = s.get(ctx, s.jwksURL)
	if err == nil {
		list, err = parseKeys(document)
	}
	if err != nil {
		s.jwksURL = "" // the keys may have moved: the next attempt asks again where they are
		return nil, nil, err
	}
	return document, list, nil
}

// discover reads where the keys are.
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
func (s *keySet) discover(ctx context.Context) (string, error) {
	raw, err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var provider struct {
		Issuer  string `json:"issuer"`
		JWKSURL string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(raw, &provider); err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}

	// Section 4.3 of the same: another issuer's document would name another issuer's keys.
	if provider.Issuer != s.issuer {
		return "", errors.New("discovery: the document is another issuer's")
	}
	if err := secureURL(provider.JWKSURL); err != nil {
		return "", fmt.Errorf("discovery: jwks_uri: %w", err)
	}
	return provider.JWKSURL, nil
}

// get reads a document of at most maxKeySet bytes. A redirect is a failure.
func (s *keySet) get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err == nil && len(raw) > maxKeySet {
		err = fmt.Errorf("more than %d bytes", maxKeySet)
	}
	return raw, err
}

// parseKeys reads a JWKS and leaves out every key that is not a public one for
// signatures that Caselink takes. A set without any such key is an error.
// https://www.rfc-editor.org/rfc/rfc7517#section-5
func parseKeys(document []byte) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("JWKS: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("JWKS: more than %d keys", maxKeys)
	}
	var list []key
	for _, raw := range set.Keys {
		if k, ok := parseKey(raw); ok {
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("JWKS: no key for signatures")
	}
	return list, nil
}

func parseKey(raw json.RawMessage) (key, bool) {
	var k key
	var purpose struct {
		KeyOps []string `json:"key_ops"`
	}
	if json.Unmarshal(raw, &k.JSONWebKey) != nil || json.Unmarshal(raw, &purpose) != nil {
		return k, false
	}
	if rsaKey, ok := k.Key.(*rsa.PublicKey); ok && rsaKey.N.BitLen() < minRSABits {
		return k, false
	}
	sound := k.IsPublic() && k.Valid() &&
		(k.Use == "" || k.Use == "sig") &&
		(purpose.KeyOps == nil || slices.Contains(purpose.KeyOps, "verify")) &&
		slices.ContainsFunc(algorithms, k.fits)
	return k, sound
}
