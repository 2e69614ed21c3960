package load

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/connectors/simulator"
	"caselink.example/connectors/store/measure"
)

// deliveries lets the GP systems answer again, waits until nothing is owed, and then
// measures the way of single referrals sent at a fixed rate.
func (t *trial) deliveries(ctx context.Context) error {
	since := time.Now()
	if err := t.fault(ctx, `{"down":false}`); err != nil {
		return err
	}
	if err := t.settled(ctx); err != nil {
		return err
	}

	var err error
	if t.report.WriteBacks, err = measure.DeliveredSince(ctx, t.world.DatabaseURL, since); err != nil {
		return err
	}

	// At a rate that the adapter can keep up with: behind a backlog every item would only be
	// as late as the backlog is long.
	since = time.Now()
	if err := t.paced(ctx, 10*time.Millisecond); err != nil {
		return err
	}
	if err := t.settled(ctx); err != nil {
		return err
	}
	t.report.Latency, err = measure.DeliveredSince(ctx, t.world.DatabaseURL, since)
	return err
}

// paced sends one referral each interval.
func (t *trial) paced(ctx context.Context, interval time.Duration) error {
	token, err := t.world.Token(ctx, t.http, "gp-a")
	if err != nil {
		return err
	}
	h := t.hammer(token, 1, 0)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for end := time.Now().Add(t.Duration); time.Now().Before(end); <-tick.C {
		if err := h.send(ctx, simulator.NewSample(t.rng, h.cfg.ODS, uuid.NewString())); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until nothing is owed any more.
func (t *trial) settled(ctx context.Context) error {
	for {
		n, err := measure.Owed(ctx, t.world.DatabaseURL)
		if err != nil || n == 0 {
			return err
		}
		if !world.Pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// fault sets how all GP systems behave.
func (t *trial) fault(ctx context.Context, body string) error {
	for _, base := range t.world.GPSystems {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/$fault", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := t.http.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode >= 300 {
			return fmt.Errorf("the GP system answered %s when it was told to misbehave", resp.Status)
		}
	}
	return nil
}
