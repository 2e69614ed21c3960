package adapter

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/delivery"
	"caselink.example/connectors/gpfhir"
	"caselink.example/connectors/httpclient"
)

// newCourier is the delivery worker with one receiver for each destination.
func (a Adapter) newCourier(owed delivery.Ledger, metrics prometheus.Registerer) (*delivery.Worker, error) {
	to, err := receivers(a.Config.Practices)
	if err != nil {
		return nil, err
	}
	// The lease outlives an attempt with the settling after it, else another process would
	// send what this one is still sending.
	w := delivery.New(owed, to, delivery.Config{AttemptTimeout: 10 * time.Second, Lease: 30 * time.Second})
	w.Log = a.Log
	w.Observe = observeAttempts(metrics)
	return w, nil
}

// receivers are the GP systems of the practices, by the ids of their destinations. They
// may be reached at the addresses that the configuration names and at no others.
func receivers(practices []config.Practice) (map[string]delivery.Receiver, error) {
	var allowed []string
	destinations := map[string]config.Destination{}
	for _, p := range practices {
		for _, d := range p.Destinations {
			switch d.Kind {
			case config.KindNone:
			case config.KindFHIR:
				base, err := url.Parse(d.Base)
				if err != nil {
					return nil, err
				}
				allowed = append(allowed, httpclient.Address(base))
				destinations[d.ID] = d
			default:
				// The directory lets the practice be owed things: without a receiver they would wait
				// for ever, and nobody would notice.
				return nil, fmt.Errorf("destination %s: there is no receiver of kind %s", d.ID, d.Kind)
			}
		}
	}

	// One client for all, so that the list of allowed addresses is whole before the first
	// receiver can send.
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
