// Package auth is the door for bearer tokens: from the text that a client sent to the
// Principal that an issuer vouches for. It takes JWT access tokens of configured OIDC
// issuers and asks nothing of anyone else. docs/words.md defines principal, caller and scope.
//
// https://www.rfc-editor.org/rfc/rfc9068 (JWT access tokens)
// https://www.rfc-editor.org/rfc/rfc8725 (JWT best current practice)
package auth

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"caselink.example/fhir"
)

const (
	maxToken = 16 << 10         // bytes of a token; net/http itself would take a megabyte of headers
	leeway   = 60 * time.Second // that the issuer's clock may differ from ours, either way

	defaultMaxLife  = time.Hour
	defaultKeyLife  = 15 * time.Minute
	defaultKeyGrace = 45 * time.Minute
	defaultCached   = 10_000
)

// Algorithms are what a token may be signed with: never symmetric, never none.
func Algorithms() []string { return slices.Clone(algorithms) }

var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512,
	oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384,
}

// Config says whose tokens are taken.
type Config struct {
	Issuers    []Issuer
	Now        func() time.Time // default time.Now
	HTTPClient *http.Client     // for discovery and JWKS; default http.DefaultClient's transport
	KeyLife    time.Duration    // after which keys are fetched again; default 15 minutes
	KeyGrace   time.Duration    // for which keys past their life serve while the issuer does not answer; default 45 minutes
	Cached     int              // verified tokens that are remembered; default 10,000
}

// Issuer is an OIDC issuer whose access tokens are taken.
type Issuer struct {
	URL        string        // the issuer identifier, exactly as iss has it
	Audience   string        // must be in aud
	Algorithms []string      // a subset of Algorithms; default all
	Claims     ClaimNames    // where the issuer puts what Principal needs
	MaxLife    time.Duration // from iat to exp; default one hour
}

// ClaimNames are the names of claims; an empty one means the default.
type ClaimNames struct {
	Client   string // default client_id, then azp
	User     string // default sub; a value that differs from the client is a user
	UserName string // default name
	UserRole string // default role
	ODS      string // default ods: one ODS code
	Services string // default services: a list of ids, or one
	Scope    string // default scope: separated by spaces, or a list
}

// Principal is whom a token speaks for, and how far it reaches.
type Principal struct {
	Client   string
	User     string // "" for a system
	UserName string
	UserRole string
	ODS      string   // code of the principal's organisation; "" when the token names none
	Services []string // ids of the services whose cases the principal works
	Scopes   Scopes
	Expires  time.Time
}

// Check lists every fault of the configuration.
func (c Config) Check() error {
	var errs []error
	seen := map[string]bool{}
	for _, issuer := range c.Issuers {
		if err := secureURL(issuer.URL); err != nil {
			errs = append(errs, fmt.Errorf("issuer %q: %w", issuer.URL, err))
		}
		if seen[issuer.URL] {
			errs = append(errs, fmt.Errorf("issuer %q: named twice", issuer.URL))
		}
		seen[issuer.URL] = true
		if issuer.Audience == "" {
			errs = append(errs, fmt.Errorf("issuer %q: an audience is needed", issuer.URL))
		}
		for _, algorithm := range issuer.Algorithms {
			if !slices.Contains(algorithms, algorithm) {
				known := strings.Join(algorithms, ", ")
				errs = append(errs, fmt.Errorf("issuer %q: algorithm %q is not one of %s", issuer.URL, algorithm, known))
			}
		}
	}
	return errors.Join(errs...)
}

// secureURL wants https, or http on this machine.
func secureURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("not an absolute URL")
	}
	host := u.Hostname()
	loopback := host == "localhost" || net.ParseIP(host).IsLoopback()
	if u.Scheme == "https" || u.Scheme == "http" && loopback {
		return nil
	}
	return errors.New("must be https")
}

// Bearer gets the token from the header Authorization. It is IssueLogin when there is
// none, or more than one. https://www.rfc-editor.org/rfc/rfc6750#section-2.1
func Bearer(h http.Header) (string, error) {
	// Of two headers a proxy may have judged the other one.
	values := h.Values("Authorization")
	if len(values) == 1 {
		if scheme, token, ok := strings.Cut(values[0], " "); ok && strings.EqualFold(scheme, "Bearer") {
			return token, nil
		}
	}
	return "", fhir.Errorf(fhir.IssueLogin, "send one header Authorization: Bearer with an access token")
}
