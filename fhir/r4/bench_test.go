package r4

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"caselink.example/fhir"
)

// fixture is a file of testdata without white space, as a GP system sends it.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		t.Fatal(err)
	}
	return compact.Bytes()
}

func BenchmarkCodec(b *testing.B) {
	for _, name := range []string{"referral.json", "transaction.json"} {
		raw := fixture(b, name)
		r, err := Unmarshal(raw)
		if err != nil {
			b.Fatal(err)
		}
		xml, err := MarshalXML(raw)
		if err != nil {
			b.Fatal(err)
		}
		at := time.Date(2026, 5, 14, 8, 30, 0, 0, time.UTC)
		for what, do := range map[string]func(){
			"Scan":         func() { _, _ = parse(raw) },
			"Unmarshal":    func() { _, _ = Unmarshal(raw) },
			"Marshal":      func() { _, _ = Marshal(r.Proto) },
			"UnmarshalXML": func() { _, _ = UnmarshalXML(xml) },
			"MarshalXML":   func() { _, _ = MarshalXML(raw) },
			"Digest":       func() { Digest(raw) },
			"Stamp":        func() { _, _ = Stamp(raw, fhir.Meta{ID: "1", Version: 1, LastUpdated: at}) },
		} {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				for b.Loop() {
					do()
				}
			})
		}
	}
}
