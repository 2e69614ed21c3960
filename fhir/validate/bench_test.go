package validate

import (
	"os"
	"testing"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// The referral and the Bundle that intake is measured with.
var payloads = map[string]string{"referral": "../r4/testdata/referral.json", "transaction": "../r4/testdata/transaction.json"}

func TestThePayloadsOfTheBenchmarksAreValid(t *testing.T) {
	t.Parallel()
	for name, file := range payloads {
		if _, es := r4Rules.Check(payload(t, file), fhir.JSON); es.OrNil() != nil {
			t.Errorf("%s: %v", name, es)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	for name, file := range payloads {
		r, err := r4.Unmarshal(payload(b, file))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r4Rules.Validate(r)
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	for name, file := range payloads {
		raw := payload(b, file)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				r4Rules.Check(raw, fhir.JSON)
			}
		})
	}
}

func payload(tb testing.TB, file string) []byte {
	tb.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func FuzzValidate(f *testing.F) {
	for _, file := range payloads {
		f.Add(payload(f, file))
	}
	for _, raw := range []string{
		`{"resourceType":"Bundle","type":"message","entry":[{"fullUrl":"urn:uuid:","resource":` +
			`{"resourceType":"Patient","contained":[{"resourceType":"Patient","contained":[{}]}]}}]}`,
		`{"resourceType":"Observation","valuePeriod":{"start":"2","end":null},"text":{"div":"<div"},"component":[[]]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"x","part":[{"name":"y","valueRange":` +
			`{"low":{"value":1e9},"high":{"value":"a"}}}]}]}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, es := r4Rules.Check(raw, fhir.JSON)
		again, _ := r4Rules.Check(raw, fhir.JSON)
		if (r.Proto == nil) != (again.Proto == nil) || r.Proto == nil && es.OrNil() == nil {
			t.Errorf("refused without a fault, or another verdict the second time: %v", es)
		}
		if err := es.OrNil(); err != nil && fhir.Status(err) >= 500 {
			t.Errorf("our own fault: %v", err)
		}
	})
}
