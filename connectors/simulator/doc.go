// Package simulator has stand-ins for the systems around Caselink that behave as
// the real ones do, faults included: an OAuth 2 issuer and the GP systems of
// practices. Each is an http.Handler that keeps its state in a folder, so that it
// survives a restart, and runs in a process of its own.
//
// The stand-ins judge Caselink, so they share none of its rules: what a GP system
// refuses is written here a second time.
// docs/words.md defines simulator, practice and GP system.
package simulator

import "github.com/gin-gonic/gin"

// newEngine returns a gin engine without a log, trusted proxies or recovery: net/http
// answers a panic by cutting the connection, which is what the faults ask for.
func newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	if err := engine.SetTrustedProxies(nil); err != nil {
		panic(err) // no list, nothing to parse
	}
	return engine
}
