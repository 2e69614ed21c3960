// Package delivery sends what is owed: in order within a lane, again and again
// for days, until the destination has it or a person decides. Nothing is dropped.
//
// A lane is what one referral owes to one destination. Its items go out one
// after the other; other lanes and other destinations go on meanwhile. The words
// (lane, lease, fence, settle, park, withhold) are those of docs/words.md.
//
//	owed --claim--> sending --acknowledged, superseded, withheld--> closed, the next one is due
//	  ^                |---released: was not sent-------------> owed
//	  '---when due-----|---retry: unknown, or not now
//	                   '---parked: the lane stands still until a person replays or closes it
package delivery

import (
	"context"
	"time"
)

// Lane is what one referral owes to one destination.
type Lane struct {
	Holder      string // the organisation whose referral it is: an ODS code
	Referral    string // id of the ServiceRequest
	Destination string // id of the destination by configuration
}

// Item is one write-back as it is claimed: everything that an attempt needs.
type Item struct {
	Lane
	N             int64     // position in the lane, from 1, without gaps
	Fence         int64     // grows with each claim of the lane; a settlement must bring it back
	Attempt       int       // 1 for the first; a claim that was released does not count
	Seq           int       // sequence number of the event within the referral
	EventID       string    // UUIDv5 of referral and Seq
	RequestID     string    // X-Request-Id: the same on every attempt
	CorrelationID string    // X-Correlation-Id; "" for none
	ResourceType  string    // such as Task
	ResourceID    string    // the resource's id at the destination, which is ours to choose
	Version       int       // of the resource, from 1
	ETag          string    // that the destination gave with the last acknowledged version of the resource; "" for none
	Body          []byte    // the resource as JSON, frozen at the first attempt
	Withhold      bool      // consent, as it stands at the claim, does not cover the item: close it unsent
	OwedSince     time.Time // when it was committed
	FirstAttempt  time.Time // of the first claim that was not released
}

// Verdict is what became of one attempt.
type Verdict string

// The verdicts.
const (
	Acknowledged Verdict = "acknowledged" // the destination has it
	Superseded   Verdict = "superseded"   // the destination already shows a later event; nothing was changed
	Retry        Verdict = "retry"        // the outcome is unknown, or the destination asks to come back
	Parked       Verdict = "parked"       // refused for good: a person is needed
	Withheld     Verdict = "withheld"     // consent does not cover it; nothing was sent
	Released     Verdict = "released"     // not sent: as if it had not been claimed
)

// Answer is what a destination answered, whether it took the item or not.
type Answer struct {
	Status     int           // HTTP status of the answer that decided; 0 for none
	ETag       string        // of the version that the destination holds now; "" for none
	Superseded bool          // the destination already shows a later event
	RetryAfter time.Duration // how long it asks to be left alone; 0 for not at all
}

// Settlement is the end of one claim.
type Settlement struct {
	Item
	Verdict Verdict
	Answer  Answer
	RetryAt time.Time // Retry: when the item is due again
	Reason  string    // Retry, Parked, Withheld: why, without patient data
}

// ReasonUnknown is the reason of an item that is withheld after an attempt whose
// outcome is unknown: a person should find out what the destination holds.
const ReasonUnknown = "withheld-unknown"

// Slots says how many more items one destination may have claimed.
type Slots struct {
	Destination string
	Free        int
}

// Ledger keeps what is owed. Several workers in several processes may share one;
// ledgertest.Run holds every implementation to this contract.
type Ledger interface {
	// Claim leases the head of each due lane, the longest owed first, at most Free
	// per destination. The head is the first item of the lane that is not closed.
	// A lane is due when its head is neither parked nor leased and not to be
	// retried later. A claim gives the lane a higher Fence and counts an Attempt,
	// for an item whose claimer died may have been sent. When the lease runs out
	// unsettled, the lane is due again. A destination that slots does not name
	// gets nothing. One round trip, and one more for each holder: bodies are read as theirs.
	Claim(ctx context.Context, slots []Slots, lease time.Duration) ([]Item, error)

	// Settle ends claims, all of them or (with an error) none. Acknowledged,
	// Superseded and Withheld close the item, and the lane's next is due at once;
	// the ETag of the answer of the first two, even if it is empty, is the
	// resource's at this destination from then on. Retry makes the item due
	// at RetryAt, Released at once and without the attempt; Parked stops the lane,
	// for what is owed to it later too. A settlement whose fence is not the lane's is
	// ignored, as is one whose claim is settled already. One round trip.
	Settle(ctx context.Context, settlements []Settlement) error
}

// Receiver is one destination.
type Receiver interface {
	// Send makes one attempt, and nil means that the destination has the item for
	// certain. An error that stands for a 4xx status (fhir.Status), 425 and 429
	// apart, says that no later attempt will fare better: the item is parked.
	// After any other error it is tried again. The answer counts in either case.
	// The same item may be sent any number of times without harm.
	Send(ctx context.Context, item Item) (Answer, error)
}

// Attempted is one attempt as the metrics see it.
type Attempted struct {
	Destination string
	Verdict     Verdict
	Status      int           // HTTP status; 0 for none
	Took        time.Duration // the attempt
	Age         time.Duration // since the item was owed
}
