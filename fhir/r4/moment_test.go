package r4_test

import (
	"testing"
	"time"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"

	"caselink.example/fhir/r4"
)

func TestTextOfAMomentIsWhatWasSent(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 2, 12, 0, 0, 120_000_000, time.UTC)
	tests := map[string]proto.Message{
		"":                              (*dtpb.DateTime)(nil),
		"2026":                          &dtpb.Date{ValueUs: noon.UnixMicro(), Precision: dtpb.Date_YEAR},
		"2026-03-02":                    &dtpb.Date{ValueUs: noon.UnixMicro(), Precision: dtpb.Date_DAY, Timezone: "UTC"},
		"2026-03":                       &dtpb.DateTime{ValueUs: noon.UnixMicro(), Precision: dtpb.DateTime_MONTH},
		"2026-03-02T12:00:00.120Z":      r4.DateTime(noon),
		"2026-03-02T06:30:00-05:30":     &dtpb.DateTime{ValueUs: noon.UnixMicro(), Precision: dtpb.DateTime_SECOND, Timezone: "-05:30"},
		"2026-03-02T12:00:00.120+00:00": &dtpb.Instant{ValueUs: noon.UnixMicro(), Precision: dtpb.Instant_MILLISECOND, Timezone: "+00:00"},
		"01:00:00":                      &dtpb.Time{ValueUs: time.Hour.Microseconds(), Precision: dtpb.Time_SECOND},
	}
	for want, m := range tests {
		if got := r4.Text(m); got != want {
			t.Errorf("Text(%v) = %q, want %q", m, got, want)
		}
	}
	for _, m := range []proto.Message{&dtpb.Instant{ValueUs: 1}, &dtpb.DateTime{}, &dtpb.String{Value: "2026"}} {
		if got := r4.Text(m); got != "" {
			t.Errorf("Text(%v) = %q, want none", m, got)
		}
	}
}

func TestMomentsCompareAsFHIRPathDoes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"2026", "2027", true},
		{"2026", "2026", true},
		{"2026-02", "2026-01-31", false},
		{"2026", "2026-01", false}, // undecided
		{"2026-03-02T09:30:00+01:00", "2026-03-02T08:30:00Z", true},
		{"2026-03-02T09:30:00.001Z", "2026-03-02T09:30:00Z", false},
		{"2026-03-01", "2026-03-02T09:30:00Z", true},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", true}, // a leap second
		{"", "2026", true},
		{"2026-02-31", "2025", true}, // no day of the calendar
	} {
		if got := r4.NotAfter(test.a, test.b); got != test.want {
			t.Errorf("NotAfter(%q, %q) = %v, want %v", test.a, test.b, got, test.want)
		}
	}
}
