package workflow

import (
	"time"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/referral"
)

// Mapped is the case that a referral would become, and what becomes of each element.
type Mapped struct {
	Case  cases.Case
	Trace []referral.Step // in the order of the specification
}

// Map says what a referral would mean if it came now, and keeps nothing. The case has
// no id, practice or service: those come with a receipt. The faults are those that Receive
// finds, warnings too, except that none is about the identity: only a request has all the
// names of a referral. The trace of a referral that is refused says where.
func (m Meaning) Map(raw []byte, format fhir.Format, now time.Time) (Mapped, fhir.Errors) {
	r, ref, faults := m.verdict(raw, format, always)

	// Of what is not sound FHIR the refusals alone are reported, as at intake: nothing of it
	// was read, and advice on the rest would be advice on half. $validate gives both.
	if r.Proto == nil {
		faults = refusals(faults)
	}
	return Mapped{Case: newCase(ref.Case, now), Trace: ref.Trace()}, faults
}

// Map is Meaning.Map for a referral of the scope's practice: with its practice,
// and the service that would work it.
func (f *Flow) Map(scope fhir.Scope, raw []byte, format fhir.Format) (Mapped, error) {
	practice, ok := f.Directory.Practice(scope.Holder)
	if !ok {
		return Mapped{}, UnknownPractice()
	}
	_, ref, faults := f.Meaning.verdict(raw, format, always)
	if refused := refusals(faults).OrNil(); refused != nil {
		return Mapped{}, refused
	}
	return Mapped{Case: f.withService(ref, practice, f.now()), Trace: ref.Trace()}, nil
}

// Trace says what became of each element of a stored ServiceRequest as it was
// received: the id and the stamps that a server adds are left out.
func (m Meaning) Trace(stored []byte) ([]referral.Step, error) {
	r, err := r4.UnmarshalType(r4.Unstamp(stored), "ServiceRequest")
	if err != nil {
		return nil, err
	}
	ref, err := referral.FromFHIR(r, m.Terms)
	if err != nil {
		return nil, err
	}
	return ref.Trace(), nil
}
