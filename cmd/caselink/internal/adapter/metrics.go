package adapter

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"caselink.example/connectors/delivery"
)

// newMetrics is a registry with the figures of the Go runtime and of the process. It is
// not Prometheus's default one, which any library may add to.
func newMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// observeAttempts returns what measures each attempt to deliver.
func observeAttempts(metrics prometheus.Registerer) func(delivery.Attempted) {
	labels := []string{"destination", "verdict"}
	attempts := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "caselink_delivery_attempt_seconds", Help: "Time of one attempt, by destination and verdict.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
	}, labels)
	age := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "caselink_delivery_age_seconds", Help: "Time from the commit to the end of an attempt, by destination and verdict.",
		// To eight hours: what is owed to a system that is down grows old.
		Buckets: prometheus.ExponentialBuckets(0.002, 3, 16),
	}, labels)
	metrics.MustRegister(attempts, age)
	return func(a delivery.Attempted) {
		attempts.WithLabelValues(a.Destination, string(a.Verdict)).Observe(a.Took.Seconds())
		age.WithLabelValues(a.Destination, string(a.Verdict)).Observe(a.Age.Seconds())
	}
}
