package nhs_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
)

func TestNumberIsTenDigitsThatPassModulus11(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]nhs.Number{
		"9990000018":     "9990000018",
		"999 000 0018":   "9990000018",
		" 999-000-0018 ": "9990000018",
		"9990000050":     "9990000050", // a check digit of 0 stands for 11
	} {
		got, err := nhs.ParseNumber(in)
		if err != nil || got != want {
			t.Errorf("ParseNumber(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestBadNumberIsRefusedWithoutItsDigits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"9990000019": "NHS number fails its modulus 11 check; check for mistyped or swapped digits, or leave the identifier out",
		"9990000000":// its check is 10, which is never issued and is no 0
		"NHS number fails its modulus 11 check; check for mistyped or swapped digits, or leave the identifier out",
		"999000001":   "NHS number has 9 digits; send ten digits",
		"99900000180": "NHS number has more than 10 digits; send ten digits",
		"999000001X":  "NHS number has a character that is not a digit; send ten digits",
		"९९९००००००१८": "NHS number has a character that is not a digit; send ten digits",
		"":            "NHS number has 0 digits; send ten digits",
	} {
		_, err := nhs.ParseNumber(in)
		if e := fhir.ErrorsOf(err)[0]; e.Code != fhir.IssueUnacceptable || e.Diagnostics != want {
			t.Errorf("ParseNumber(%q): %v, want unacceptable: %s", in, err, want)
		}
	}
}

func TestNumberIsNeverLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer

	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "number", nhs.Number("9990000018"))

	if strings.Contains(log.String(), "9990000018") {
		t.Errorf("the log shows the number: %s", log.String())
	}
}

func TestODSCodeIsNormalised(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]nhs.ODSCode{
		"A81001": "A81001", " a81001 ": "A81001", "RJ1": "RJ1", "y 00 123": "Y00123", "ABCDEFGHI9": "ABCDEFGHI9",
	} {
		if got, err := nhs.ParseODSCode(in); err != nil || got != want {
			t.Errorf("ParseODSCode(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestBadODSCodeIsRefused(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":            "ODS code has 0 characters; send 3 to 10 letters and digits",
		"A8":          "ODS code has 2 characters; send 3 to 10 letters and digits",
		"ABCDEFGHIJK": "ODS code has 11 characters; send 3 to 10 letters and digits",
		"A81-001":     "ODS code has a character that is neither letter nor digit; send 3 to 10 letters and digits",
		"ſ81001":// upper case S to Unicode
		"ODS code has a character that is neither letter nor digit; send 3 to 10 letters and digits",
		"A8100é": "ODS code has a character that is neither letter nor digit; send 3 to 10 letters and digits",
	} {
		_, err := nhs.ParseODSCode(in)
		if e := fhir.ErrorsOf(err)[0]; e.Code != fhir.IssueUnacceptable || e.Diagnostics != want {
			t.Errorf("ParseODSCode(%q): %v, want unacceptable: %s", in, err, want)
		}
	}
}

func TestSCTIDHoldsItsCheckDigit(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"871731000000106", "73595000", "1364141000000107", "718426000", "105529008"} {
		if got, err := nhs.ParseSCTID(id); err != nil || string(got) != id {
			t.Errorf("ParseSCTID(%q) = %q, %v; want it unchanged", id, got, err)
		}
	}
}

func TestBadSCTIDIsRefused(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"12345":               "6 to 18 digits",
		"1234567890123456789": "6 to 18 digits",
		"073595000":           "does not begin with 0",
		"7359500x":            "digits only",
		"871731000000107":     "check digit",
		"1364141000000100":    "check digit",
		"999999994":           "neither a concept",
	} {
		_, err := nhs.ParseSCTID(in)
		if e := fhir.ErrorsOf(err)[0]; e.Code != fhir.IssueCodeInvalid || !strings.Contains(e.Diagnostics, want) {
			t.Errorf("ParseSCTID(%q): %v, want code-invalid: ... %s", in, err, want)
		}
	}
}

func TestSpreadsheetDamageIsRepairedAndNothingElse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]nhs.SCTID{
		"1364141000000100":  "1364141000000107",
		"1084281000000100":  "1084281000000109",
		"1362931000000100":  "1362931000000106",
		"1362721000000100":  "1362721000000106",
		"1078371000000100":  "", // sound as it is
		"871731000000100":   "", // 15 digits survive a spreadsheet
		"1364141000000101":  "", // not a 0: another fault
		"13641410000001000": "", // 17 digits lose more than one
		"136414100000010x":  "",
	} {
		if got, ok := nhs.RepairSCTID(in); got != want || ok != (want != "") {
			t.Errorf("RepairSCTID(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
}

func TestSystemIsMatchedAsItIsMeant(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://fhir.nhs.uk/Id/nhs-number":                                            nhs.SystemNumber,
		"https://fhir.nhs.uk/id/nhs-number":                                            nhs.SystemNumber,
		"http://fhir.nhs.uk/Id/nhs-number/":                                            nhs.SystemNumber,
		" HTTPS://FHIR.NHS.UK/ID/NHS-NUMBER ":                                          nhs.SystemNumber,
		"urn:oid:2.16.840.1.113883.2.1.4.1":                                            nhs.SystemNumber,
		"https://fhir.nhs.uk/id/ods-organization-code":                                 nhs.SystemODS,
		"https://fhir.nhs.uk/Id/ods-organisation-code":                                 nhs.SystemODS,
		"http://fhir.nhs.uk/Id/dos-service-id":                                         nhs.SystemDoSService,
		"https://dmd.nhs.uk/":                                                          nhs.SystemDMD,
		"https://snomed.info/sct":                                                      nhs.SystemSNOMED,
		"http://snomed.info/sct/83821000000107/version/20220119":                       nhs.SystemSNOMED,
		"urn:oid:2.16.840.1.113883.6.96":                                               nhs.SystemSNOMED,
		"https://fhir.hl7.org.uk/codesystem/ukcore-nhsnumberverificationstatusengland": nhs.SystemVerification,
		"https://gp.example/Id/patient":                                                "https://gp.example/Id/patient",
		"":                                                                             "",
	} {
		if got := nhs.System(in); got != want {
			t.Errorf("System(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"9990000018", "999 000 0018", "9990000019", "", "-", "999000001X"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := nhs.ParseNumber(s)
		if err != nil {
			unquoted(t, s, err)
			return
		}
		if again, err := nhs.ParseNumber(string(n)); err != nil || again != n || len(n) != 10 {
			t.Errorf("%q parses to a number that parses to %q, %v", s, again, err)
		}
	})
}

func FuzzParseODSCode(f *testing.F) {
	for _, s := range []string{"A81001", " a81001", "A8", "A81-001", "ſſſ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := nhs.ParseODSCode(s)
		if err != nil {
			unquoted(t, s, err)
			return
		}
		if again, err := nhs.ParseODSCode(string(c)); err != nil || again != c {
			t.Errorf("%q parses to %q, which parses to %q, %v", s, c, again, err)
		}
	})
}

func FuzzParseSCTID(f *testing.F) {
	for _, s := range []string{"871731000000106", "1364141000000100", "73595000", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := nhs.ParseSCTID(s)
		if err != nil {
			unquoted(t, s, err)
		} else if string(id) != s {
			t.Errorf("ParseSCTID(%q) = %q, want it unchanged", s, id)
		}
		repaired, ok := nhs.RepairSCTID(s)
		if ok && (err == nil || string(repaired[:15]) != s[:15]) {
			t.Errorf("RepairSCTID(%q) = %q, want a damaged code's first 15 digits", s, repaired)
		}
	})
}

// unquoted fails the test when the error repeats a value long enough to be recognised.
func unquoted(t *testing.T, value string, err error) {
	t.Helper()
	if len(value) > 7 && strings.Contains(fmt.Sprint(err), value) {
		t.Errorf("the error quotes the value: %v", err)
	}
}
