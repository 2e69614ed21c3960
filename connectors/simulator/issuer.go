package simulator

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

// MaxTokenLife is the longest life of an access token.
const MaxTokenLife = time.Hour

// IssuerConfig is what an Issuer needs to know.
type IssuerConfig struct {
	URL      string // the issuer identifier: where the handler is reached, without a slash at the end
	Audience string // aud of every access token
	Clients  []Client
	Folder   string           // where the signing keys are kept; "" keeps them in memory
	Life     time.Duration    // of an access token; default and maximum MaxTokenLife
	Now      func() time.Time // default time.Now
}

// Client is a registered client of the issuer.
type Client struct {
	ID        string
	Secret    string                  // "" for a client that has only keys
	Keys      jose.JSONWebKeySet      // public keys for private_key_jwt
	Scope     string                  // what the client may ask for, separated by spaces
	Claims    map[string]any          // put into its access tokens, such as ods or services
	Algorithm jose.SignatureAlgorithm // of its access tokens: ES256 (default) or RS256
}

// Issuer is an OAuth 2 authorisation server for client credentials: discovery, JWKS
// and a token endpoint that takes client_secret_basic, client_secret_post and
// private_key_jwt. Its access tokens are those of RFC 9068.
//
// https://www.rfc-editor.org/rfc/rfc6749#section-4.4
// https://www.rfc-editor.org/rfc/rfc9068
type Issuer struct {
	config  IssuerConfig
	clients map[string]Client
	engine  *gin.Engine

	mu   sync.Mutex
	keys signingKeys
	seen map[string]time.Time // client and jti of assertions, until they expire
}

// NewIssuer returns an issuer with the keys of its folder; a new folder gets new keys.
func NewIssuer(config IssuerConfig) (*Issuer, error) {
	if config.URL == "" || config.Audience == "" {
		return nil, errors.New("issuer: URL and Audience are needed")
	}

	// Caselink refuses longer ones; an issuer that gave them would only look broken.
	if config.Life <= 0 || config.Life > MaxTokenLife {
		config.Life = MaxTokenLife
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	keys, err := loadKeys(config.Folder)
	if err != nil {
		return nil, fmt.Errorf("issuer keys: %w", err)
	}
	i := &Issuer{config: config, keys: keys, clients: map[string]Client{}, seen: map[string]time.Time{}}
	for _, client := range config.Clients {
		if client.Algorithm == "" {
			client.Algorithm = jose.ES256
		}
		if !slices.Contains(tokenAlgorithms, client.Algorithm) {
			return nil, fmt.Errorf("client %s: tokens are signed with %v", client.ID, tokenAlgorithms)
		}
		i.clients[client.ID] = client
	}
	i.engine = newEngine()
	i.engine.GET("/.well-known/openid-configuration", i.discovery)
	i.engine.GET("/jwks", i.jwks)
	i.engine.POST("/oauth2/token", i.token)
	return i, nil
}

func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) { i.engine.ServeHTTP(w, r) }

// TokenURL is where clients get tokens.
func (i *Issuer) TokenURL() string { return i.config.URL + "/oauth2/token" }

// discovery serves https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
func (i *Issuer) discovery(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{
		"issuer":                                           i.config.URL,
		"jwks_uri":                                         i.config.URL + "/jwks",
		"token_endpoint":                                   i.TokenURL(),
		"grant_types_supported":                            []string{"client_credentials"},
		"response_types_supported":                         []string{"token"},
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            tokenAlgorithms,
		"token_endpoint_auth_methods_supported":            []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": assertionAlgorithms,
	})
}

func (i *Issuer) jwks(c *gin.Context) {
	i.mu.Lock() // Rotate and Retire replace the keys while tokens are asked for
	published := i.keys.published()
	i.mu.Unlock()
	c.JSON(http.StatusOK, published)
}

// token answers a token request.
// https://www.rfc-editor.org/rfc/rfc6749#section-4.4.2
func (i *Issuer) token(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, 64<<10)
	answer, err := i.grant(c.Request)
	if refused, ok := errors.AsType[*oauthError](err); ok {
		if refused.Status == http.StatusUnauthorized {
			c.Header("WWW-Authenticate", `Basic realm="issuer"`)
		}
		c.JSON(refused.Status, refused)
		return
	}
	if err != nil {
		c.JSON(http.StatusInternalServerError, refuse(http.StatusInternalServerError, "server_error", "the token could not be signed"))
		return
	}
	c.JSON(http.StatusOK, answer)
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

func (i *Issuer) grant(r *http.Request) (tokenAnswer, error) {
	if err := r.ParseForm(); err != nil {
		return tokenAnswer{}, refuse(http.StatusBadRequest, "invalid_request", "send a form of at most 64 KiB")
	}

	// Of two values each reader may take another one: RFC 6749 section 3.2 forbids them.
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return tokenAnswer{}, refuse(http.StatusBadRequest, "invalid_request", "send "+name+" once")
		}
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		return tokenAnswer{}, refuse(http.StatusBadRequest, "unsupported_grant_type", "use client_credentials")
	}
	client, err := i.authenticate(r)
	if err != nil {
		return tokenAnswer{}, err
	}
	scope, err := grantedScope(client.Scope, r.PostForm.Get("scope"))
	if err != nil {
		return tokenAnswer{}, err
	}
	signed, err := i.accessToken(client, scope)
	return tokenAnswer{signed, "Bearer", int(i.config.Life.Seconds()), scope}, err
}

// grantedScope is the part of the requested scope that is registered; a client that
// asks for nothing gets all of it.
func grantedScope(registered, requested string) (string, error) {
	if requested == "" {
		return registered, nil
	}
	allowed := strings.Fields(registered)
	granted := slices.DeleteFunc(strings.Fields(requested), func(s string) bool { return !slices.Contains(allowed, s) })
	if len(granted) == 0 {
		return "", refuse(http.StatusBadRequest, "invalid_scope", "the client is registered for: "+registered)
	}
	return strings.Join(granted, " "), nil
}

// accessToken signs a token of RFC 9068. The claims of the client are added last, so
// that a registration may stand for a person: sub, name, role.
func (i *Issuer) accessToken(client Client, scope string) (string, error) {
	now := i.config.Now()
	claims := map[string]any{
		"iss": i.config.URL, "aud": i.config.Audience, "sub": client.ID, "client_id": client.ID,
		"scope": scope, "iat": now.Unix(), "exp": now.Add(i.config.Life).Unix(), "jti": uuid.NewString(),
	}
	maps.Copy(claims, client.Claims)
	key := jose.SigningKey{Algorithm: client.Algorithm, Key: i.SigningKey(client.Algorithm)}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return "", fmt.Errorf("access token for %s: %w", client.ID, err)
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// oauthError is an error answer of the token endpoint.
// https://www.rfc-editor.org/rfc/rfc6749#section-5.2
type oauthError struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }

func refuse(status int, code, description string) *oauthError {
	return &oauthError{status, code, description}
}
