package delivery_test

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/delivery/ledgertest"
)

// memory is the smallest ledger that keeps the contract.
type memory struct {
	now func() time.Time

	mu    sync.Mutex
	lanes map[delivery.Lane]*lane
}

type lane struct {
	owed   []delivery.Item // from the head on
	last   int64           // position of the newest item
	fence  int64
	held   bool // a claim is open, until its lease ends at due
	parked bool
	due    time.Time
	etags  map[string]string // by type and id
	closed []delivery.Verdict
}

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, lanes: map[delivery.Lane]*lane{}}
}

func (m *memory) owe(items ...delivery.Item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, item := range items {
		l := m.lanes[item.Lane]
		if l == nil {
			l = &lane{etags: map[string]string{}, due: m.now()}
			m.lanes[item.Lane] = l
		}
		l.last++
		item.N, item.OwedSince = l.last, m.now()
		l.owed = append(l.owed, item)
	}
}

func (m *memory) Claim(ctx context.Context, slots []delivery.Slots, lease time.Duration) ([]delivery.Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	now := m.now()
	var items []delivery.Item
	for _, s := range slots {
		due := m.due(s.Destination, now)
		for _, l := range due[:min(s.Free, len(due))] {
			head := &l.owed[0]
			l.fence++
			l.held, l.due = true, now.Add(lease)
			head.Fence = l.fence
			if head.Attempt++; head.Attempt == 1 {
				head.FirstAttempt = now
			}
			head.ETag = l.etags[head.ResourceType+"/"+head.ResourceID]
			items = append(items, *head)
		}
	}
	return items, nil
}

func (m *memory) due(destination string, now time.Time) []*lane {
	var due []*lane
	for key, l := range m.lanes {
		if key.Destination == destination && len(l.owed) > 0 && !l.parked && !l.due.After(now) {
			due = append(due, l)
		}
	}
	slices.SortFunc(due, func(a, b *lane) int {
		return cmp.Or(a.owed[0].OwedSince.Compare(b.owed[0].OwedSince), cmp.Compare(a.owed[0].Referral, b.owed[0].Referral))
	})
	return due
}

func (m *memory) Settle(ctx context.Context, settlements []delivery.Settlement) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, s := range settlements {
		if l := m.lanes[s.Lane]; l != nil && l.held && l.fence == s.Fence {
			l.settle(s, m.now())
		}
	}
	return nil
}

func (l *lane) settle(s delivery.Settlement, now time.Time) {
	l.held, l.due = false, now
	switch s.Verdict {
	case delivery.Retry:
		l.due = s.RetryAt
	case delivery.Released:
		l.owed[0].Attempt--
	case delivery.Parked:
		l.parked = true
	default:
		if s.Verdict != delivery.Withheld {
			l.etags[s.ResourceType+"/"+s.ResourceID] = s.Answer.ETag
		}
		l.closed = append(l.closed, s.Verdict)
		l.owed = l.owed[1:]
	}
}

func TestMemoryKeepsContract(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(_ *testing.T, now func() time.Time) (delivery.Ledger, ledgertest.Owe) {
		m := newMemory(now)
		return m, func(_ *testing.T, items ...delivery.Item) { m.owe(items...) }
	})
}
