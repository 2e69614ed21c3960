package adapter

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/delivery"
	"caselink.example/connectors/gpfhir"
	"caselink.example/connectors/httpclient"
)

// newCourier is the delivery worker with one receiver for each destination.
func newCourier(cfg config.Config, owed delivery.Ledger, reg prometheus.Registerer, log *slog.Logger) (*delivery.Worker, error) {
	to, err := receivers(cfg)
	if err != nil {
		return nil, err
	}
	w := delivery.New(owed, to, delivery.Config{AttemptTimeout: 10 * time.Second, Lease: 30 * time.Second})
	w.Log = log
	attempts := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "caselink_delivery_attempt_seconds", Help: "Time of one attempt, by destination and verdict.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
	}, []string{"destination", "verdict"})
	age := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "caselink_delivery_age_seconds", Help: "Time from the commit to the end of an attempt, by destination and verdict.",
		Buckets: prometheus.ExponentialBuckets(0.002, 3, 16),
	}, []string{"destination", "verdict"})
	reg.MustRegister(attempts, age)
	w.Observe = func(a delivery.Attempted) {
		attempts.WithLabelValues(a.Destination, string(a.Verdict)).Observe(a.Took.Seconds())
		age.WithLabelValues(a.Destination, string(a.Verdict)).Observe(a.Age.Seconds())
	}
	return w, nil
}

// receivers are the GP systems of the configuration, by destination. They may be
// reached at the addresses that it names and at no others.
func receivers(cfg config.Config) (map[string]delivery.Receiver, error) {
	var allowed []string
	destinations := map[string]config.Destination{}
	for _, p := range cfg.Practices {
		for _, d := range p.Destinations {
			if d.Kind != config.KindFHIR {
				continue
			}
			base, err := url.Parse(d.Base)
			if err != nil {
				return nil, err
			}
			allowed = append(allowed, httpclient.Address(base))
			destinations[d.ID] = d
		}
	}
	client := httpclient.New(httpclient.Config{Allow: allowed})
	out := map[string]delivery.Receiver{}
	for id, d := range destinations {
		r, err := gpfhir.New(gpfhir.Config{Base: d.Base, Mode: gpfhir.Mode(d.Mode), Token: staticToken(d.Token)}, client)
		if err != nil {
			return nil, fmt.Errorf("destination %s: %w", id, err)
		}
		out[id] = r
	}
	return out, nil
}

// staticToken is a destination's token that does not change; nil for none.
func staticToken(token string) func(context.Context, string) (string, error) {
	if token == "" {
		return nil
	}
	return func(context.Context, string) (string, error) { return token, nil }
}
