package edge

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// readyWithin is how long the answer to /readyz may take.
const readyWithin = 2 * time.Second

// MountHealth adds /healthz (the process is alive) and /readyz (it can do its work, as
// ready says), which need no token.
func MountHealth(engine *gin.Engine, ready func(context.Context) error) {
	Get(engine, "/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	Get(engine, "/readyz", Handle(func(c *gin.Context) error {
		// An orchestrator asks again at its own pace; questions that hang must not pile up.
		ctx, cancel := context.WithTimeout(c.Request.Context(), readyWithin)
		defer cancel()
		if err := ready(ctx); err != nil {
			return err
		}
		c.String(http.StatusOK, "ready\n")
		return nil
	}))
}

// MountMetrics serves the metrics to whoever may reach the port.
func MountMetrics(engine *gin.Engine, h http.Handler) {
	engine.GET("/metrics", gin.WrapH(h))
}
