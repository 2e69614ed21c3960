package caseapi

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
	"go.yaml.in/yaml/v3"
)

// openapi.yaml is the description of the API that its users read.
//
//go:embed openapi.yaml
var openapi []byte

// description is openapi.yaml as JSON.
var description = sync.OnceValues(func() ([]byte, error) {
	var document map[string]any
	if err := yaml.Unmarshal(openapi, &document); err != nil {
		return nil, err
	}
	return json.Marshal(document)
})

// describe answers with the API's description. https://spec.openapis.org/oas/v3.1.1.html
func describe(c *gin.Context) error {
	body, err := description()
	if err != nil {
		return err
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", body)
	return nil
}
