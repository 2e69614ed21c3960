package fhirapi

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"caselink.example/connectors/api/edge"
)

// metadata answers with the CapabilityStatement. Everybody may ask, so it is built once.
// https://hl7.org/fhir/R4/http.html#capabilities
func (a *API) metadata() edge.Handler {
	statement := sync.OnceValues(func() ([]byte, error) { return a.statement(a.routes()) })
	return func(c *gin.Context) error {
		body, err := statement()
		if err != nil {
			return err
		}
		return edge.Render(c, http.StatusOK, body)
	}
}

// smartConfiguration says where tokens come from and which scopes there are.
// https://hl7.org/fhir/smart-app-launch/conformance.html
func (a *API) smartConfiguration(c *gin.Context) error {
	c.JSON(http.StatusOK, gin.H{
		"issuer":                                a.Issuer,
		"token_endpoint":                        a.TokenURL,
		"grant_types_supported":                 []string{"client_credentials"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384", "RS512"},
		"scopes_supported": scopesSupported(a.routes()),
		"capabilities":     []string{"client-confidential-asymmetric", "client-confidential-symmetric", "permission-v2"},
	})
	return nil
}

// scopesSupported are the scopes of the types that can be read, each with its letters
// in the order that SMART wants.
func scopesSupported(routes []route) []string {
	var out []string
	for _, t := range read {
		var letters strings.Builder
		for _, letter := range "cruds" {
			if slices.ContainsFunc(routes, func(r route) bool { return r.resource == t && r.scope == byte(letter) }) {
				letters.WriteRune(letter)
			}
		}
		out = append(out, "system/"+t+"."+letters.String())
	}
	return out
}
