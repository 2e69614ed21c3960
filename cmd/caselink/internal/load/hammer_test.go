package load

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// receiver is an adapter that answers by the bytes of a referral alone.
type receiver struct {
	mu    sync.Mutex
	ids   map[string]int // by the bytes
	seen  int
	fault func(n int) (status int) // of request n, from 1; 0 for none
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, _ := io.ReadAll(req.Body) // what came of it is used as it is
	r.seen++
	status := 0
	if r.fault != nil {
		status = r.fault(r.seen)
	}
	id, known := r.ids[string(body)]
	if !known {
		id = len(r.ids) + 1
		r.ids[string(body)] = id
	}
	switch {
	case status != 0:
	case known:
		status = http.StatusOK
	default:
		status = http.StatusCreated
	}
	w.Header().Set("Location", fmt.Sprintf("/ServiceRequest/%d/_history/%d", id, r.seen))
	w.WriteHeader(status)
}

// hammered sends three referrals to r, lets between change what it knows, and verifies.
func hammered(t *testing.T, r *receiver, between func()) (h *Hammer, lost, doubled int) {
	t.Helper()
	r.ids = map[string]int{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	h = NewHammer(HammerConfig{Base: server.URL, ODS: "Y99901", Clients: 1, Seed: 1})
	if err := h.Run(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	between()
	lost, doubled, err := h.Verify(t.Context(), func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	return h, lost, doubled
}

func TestNothingIsLostOrDoubledByASoundAdapter(t *testing.T) {
	t.Parallel()
	_, lost, doubled := hammered(t, &receiver{}, func() {})

	if lost != 0 || doubled != 0 {
		t.Errorf("%d lost, %d doubled", lost, doubled)
	}
}

func TestForgottenReferralIsLost(t *testing.T) {
	t.Parallel()
	r := &receiver{}

	_, lost, doubled := hammered(t, r, func() {
		for body, id := range r.ids {
			if id == 2 {
				delete(r.ids, body)
			}
		}
	})

	if lost != 1 || doubled != 0 {
		t.Errorf("%d lost, %d doubled, want 1 lost", lost, doubled)
	}
}

func TestReferralUnderAnotherIDIsDoubled(t *testing.T) {
	t.Parallel()
	r := &receiver{}

	_, lost, doubled := hammered(t, r, func() {
		for body, id := range r.ids {
			if id == 2 {
				r.ids[body] = 7
			}
		}
	})

	if lost != 0 || doubled != 1 {
		t.Errorf("%d lost, %d doubled, want 1 doubled", lost, doubled)
	}
}

// TestUnknownOutcomeIsRepeated: the answer to the second request is a 503 though the
// referral is there, so its repeat is answered with 200.
func TestUnknownOutcomeIsRepeated(t *testing.T) {
	t.Parallel()
	r := &receiver{fault: func(n int) int {
		if n == 2 {
			return http.StatusServiceUnavailable
		}
		return 0
	}}

	h, lost, doubled := hammered(t, r, func() {})

	if h.Sent() != 3 || h.Repeated() != 1 || lost+doubled != 0 {
		t.Errorf("%d sent, %d repeated, %d lost, %d doubled, want 3, 1 and none", h.Sent(), h.Repeated(), lost, doubled)
	}
}

func TestRefusedReferralEndsTheRun(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	h := NewHammer(HammerConfig{Base: server.URL, ODS: "Y99901", Clients: 2, Seed: 1})

	err := h.Run(t.Context(), 10)

	if err == nil || h.Sent() != 0 {
		t.Errorf("error %v, %d sent", err, h.Sent())
	}
}
