package load

import (
	"cmp"
	"slices"
	"time"
)

// Figures are what a run measured.
type Figures struct {
	Clients   int     `json:"clients"`
	Referrals int     `json:"referrals"`
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50ms"`
	P99       float64 `json:"p99ms"`
	Max       float64 `json:"maxMs"`
	Unknown   int64   `json:"unknown"` // attempts whose outcome was not known
}

// Figures are those of a run that took so long and is over.
func (h *Hammer) Figures(took time.Duration) Figures {
	times := make([]time.Duration, len(h.ledger.list))
	for i, ack := range h.ledger.list {
		times[i] = ack.took
	}
	slices.SortFunc(times, cmp.Compare)
	f := Figures{Clients: h.cfg.Clients, Referrals: len(times), Unknown: int64(h.Repeated())}
	f.PerSecond = float64(len(times)) / took.Seconds()
	if n := len(times); n > 0 {
		f.P50, f.P99, f.Max = milliseconds(times[n/2]), milliseconds(times[n*99/100]), milliseconds(times[n-1])
	}
	return f
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
