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
// no id, practice or service: those come with a receipt. The faults are those that
// Receive would tell, warnings too; the trace of a referral that is refused says where.
func (m Meaning) Map(raw []byte, format fhir.Format, now time.Time) (Mapped, fhir.Errors) {
	_, ref, faults, err := m.read(raw, format)
	if err != nil {
		faults = append(faults, fhir.ErrorsOf(err)...)
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
	_, ref, _, err := f.Meaning.read(raw, format)
	if err != nil {
		return Mapped{}, err
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
