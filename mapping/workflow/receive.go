package workflow

import (
	"cmp"
	"context"
	"time"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/referral"
)

// Incoming is a referral as it arrived.
type Incoming struct {
	Original    Original
	Format      fhir.Format
	IfNoneExist string // the header's search criteria; "" for none
	NamedByID   bool   // the sender chose the X-Request-Id itself
}

// Receipt says what became of an incoming referral.
type Receipt struct {
	Created  bool        // false: it was here already, with the same content
	Stored   fhir.Stored // the ServiceRequest as a read returns it
	Warnings fhir.Errors // what the sender should look at
}

// Receive takes a referral in: it becomes a case, or it was here already, or it is
// refused with every fault. When it returns a Receipt, all of it is committed.
func (f *Flow) Receive(ctx context.Context, scope fhir.Scope, in Incoming) (Receipt, error) {
	change, warnings, err := f.Received(scope, in)
	if err != nil {
		return Receipt{}, err
	}

	// Nobody asks first whether the referral is here: of two that come at once both would
	// be answered no. The commit itself says that an identity is taken.
	known, err := f.Store.Create(ctx, scope, change)
	if err != nil {
		return Receipt{}, err
	}
	if known != nil {
		return f.repeat(ctx, scope, known, change.Opening.Digest)
	}

	// Only after the commit: delivery that wakes before it finds nothing and sleeps again.
	f.Wake()
	return Receipt{Created: true, Stored: change.Resources[0], Warnings: warnings}, nil
}

// repeat answers a referral whose identity is taken: equal content is the same
// referral, for ever; other content needs a person or a PUT.
func (f *Flow) repeat(ctx context.Context, scope fhir.Scope, known []Known, digest [32]byte) (Receipt, error) {
	if len(known) != 1 {
		return Receipt{}, fhir.Errorf(fhir.IssueDuplicate,
			"its identifiers belong to %d different referrals: send the identifiers of one", len(known)).At("ServiceRequest.identifier")
	}

	// The digest is that of the referral as first received. Later versions do not count: a
	// sender that repeats a request because its answer was lost repeats the first one.
	k := known[0]
	if k.Digest != digest {
		return Receipt{}, duplicate(f.Base+"/ServiceRequest/"+k.ID, k.Status)
	}
	stored, err := f.Store.Read(ctx, scope, "ServiceRequest", k.ID, Audit{
		At: f.Now(), Action: "R", Holder: scope.Holder, ResourceType: "ServiceRequest", ResourceID: k.ID, Referral: k.ID,
	})
	return Receipt{Stored: stored}, err
}

// TakenError refuses a referral whose identity belongs to one with other content.
type TakenError struct {
	Location string // absolute URL of that one
	refusal  *fhir.Error
}

func (e *TakenError) Error() string { return e.refusal.Error() }

func (e *TakenError) Unwrap() error { return e.refusal }

func duplicate(location string, state cases.State) error {
	advice := "to amend that referral, PUT to it with If-Match"
	if state.Terminal() {
		advice = "that one has ended: for a new referral send a new identifier, and name this one in replaces"
	}
	refusal := fhir.Errorf(fhir.IssueDuplicate, "this identity belongs to %s, which has other content; %s", location, advice)
	return &TakenError{Location: location, refusal: refusal.At("ServiceRequest.identifier")}
}

// UnknownPractice refuses a caller whose organisation is not one of the practices.
func UnknownPractice() error {
	return fhir.Errorf(fhir.IssueForbidden,
		"the token's organisation is not a practice that this service knows: ask the operator to add it")
}

// Received decides what a referral becomes, and what its sender should look at. It
// reads nothing but its arguments, the directory, the clock and fresh ids, and keeps
// nothing. The refusal of a referral lists every fault.
func (f *Flow) Received(scope fhir.Scope, in Incoming) (Change, fhir.Errors, error) {
	practice, ok := f.Directory.Practice(scope.Holder)
	if !ok {
		return Change{}, nil, UnknownPractice()
	}
	r, ref, faults := f.Meaning.verdict(in.Original.Body, in.Format, always)
	refused := refusals(faults).OrNil()
	if refused != nil && r.Type != "ServiceRequest" {
		return Change{}, nil, refused
	}

	// A referral that is refused for what it says is also refused for having no identity: a
	// sender that mends one fault at a time sends a referral for each.
	identities, noIdentity := identities(ref.Identifiers, in, scope)
	if err := join(refused, noIdentity); err != nil {
		return Change{}, nil, err
	}

	now, id := f.now(), f.NewID()
	stored, err := stamped("ServiceRequest", r.JSON, fhir.Meta{ID: id, Version: 1, LastUpdated: now})
	if err != nil {
		return Change{}, nil, err
	}
	c := f.withService(ref, practice, now)
	c.ID, c.Referral.ID = f.NewID(), id
	root := Root{Holder: scope.Holder, ID: id, Practice: practice.ODS, Seq: 1, CorrelationID: correlationID(scope.Caller)}
	if c.Service != nil {
		root.Service = c.Service.ID
	}
	change := Change{
		Referral: root,

		// Of what was sent, not of what is stored: the stamps would make equal content differ.
		Opening:   &Opening{Identities: identities, Digest: r4.Digest(r.JSON), Original: in.Original},
		Resources: []fhir.Stored{stored},
		Case:      c,
		Withhold:  withhold(c),
		Event: cases.Event{
			Seq: 1, Kind: cases.EventReceived, To: c.Status, OccurredAt: now,
			Actor: cases.Actor{Name: practice.Name, Organisation: practice.ODS},
		},
		Audit: Audit{
			At: now, Action: "C", Holder: scope.Holder, Service: root.Service,
			ResourceType: "ServiceRequest", ResourceID: id, Referral: id,
		},
	}
	change, err = f.withTask(change, fhir.Meta{ID: f.NewID()})
	return change, faults, err // nothing is refused, so these are warnings
}

// correlationID is what write-backs repeat as X-Correlation-Id: the sender's own, or
// the id of the request that began it.
func correlationID(c fhir.Caller) string { return cmp.Or(c.CorrelationID, c.RequestID) }

// withService is the case without its ids: whose it is, and whether a service can begin.
func (f *Flow) withService(ref referral.Reading, practice Practice, now time.Time) cases.Case {
	c := newCase(ref.Case, now)
	c.Referral.Practice = &practice.ODS
	if service, ok := f.serviceFor(ref, practice); ok {
		c.Service = &cases.Party{ID: service.ID, Name: service.Name}
		return c
	}

	// A referral that names no known service is taken all the same: refused, it would wait
	// at the practice until somebody looks, and the person with it.
	c.Queries = append(c.Queries,
		"Which social prescribing service is this for? Name one in performer, or give the practice a default service.")
	c.Status = cases.NeedsInformation
	return c
}

// newCase is a case whose life begins now.
func newCase(c cases.Case, now time.Time) cases.Case {
	c.Version, c.Outcomes = 1, []cases.Outcome{}
	c.ReceivedAt, c.UpdatedAt, c.StatusSince, c.Clocks.Received = now, now, now, now
	return c
}

// serviceFor is the service that the referral names, else the practice's own. A name
// that nobody knows is a question for a person, not a reason to take another service.
func (f *Flow) serviceFor(ref referral.Reading, practice Practice) (Service, bool) {
	for _, id := range ref.Performers {
		if s, ok := f.Directory.ServiceBy(id); ok {
			return s, true
		}
	}
	if len(ref.Performers) > 0 {
		return Service{}, false
	}
	return f.Directory.Service(practice.DefaultService)
}
