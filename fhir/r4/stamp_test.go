package r4

import (
	"strings"
	"testing"
	"time"

	"caselink.example/fhir"
)

// contained is a resource whose own stamp is nobody's to change.
const contained = `"contained":[{"resourceType":"Patient","id":"a","meta":{"versionId":"1"}}]`

var stamped = fhir.Meta{ID: "0198c0de", Version: 3, LastUpdated: time.Date(2026, 5, 14, 9, 30, 0, 120_000_000, time.FixedZone("", 3600))}

func TestStampTouchesNothingElse(t *testing.T) {
	t.Parallel()
	const meta = `"versionId":"3","lastUpdated":"2026-05-14T08:30:00.120000Z"`
	for name, test := range map[string]struct{ json, want string }{
		"neither id nor meta": {
			`{ "resourceType" : "Patient" , "gender":"male"}`,
			`{ "resourceType" : "Patient","id":"0198c0de","meta":{` + meta + `} , "gender":"male"}`,
		},
		"both": {
			`{"id": "old","meta": {"versionId":"1", "tag":[{"code":"\u0061"}],"lastUpdated":"2020-01-01T00:00:00Z"},` +
				`"resourceType":"Patient"}`,
			`{"id": "0198c0de","meta": {"versionId":"3", "tag":[{"code":"\u0061"}],"lastUpdated":"2026-05-14T08:30:00.120000Z"},` +
				`"resourceType":"Patient"}`,
		},
		"meta of others": {
			`{"meta":{"profile":["http://a.example/{\"}"]},"resourceType":"Patient","_id":{"id":"x"}}`,
			`{"meta":{` + meta + `,"profile":["http://a.example/{\"}"]},"resourceType":"Patient","id":"0198c0de","_id":{"id":"x"}}`,
		},
		"name with an escape": {
			`{"resourceType":"Patient","\u0069d":"old"}`,
			`{"resourceType":"Patient","meta":{` + meta + `},"\u0069d":"0198c0de"}`,
		},
		"id and meta deeper down": {
			`{"resourceType":"Patient",` + contained + `}`,
			`{"resourceType":"Patient","id":"0198c0de","meta":{` + meta + `},` + contained + `}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Stamp([]byte(test.json), stamped)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("Stamp = %s\nwant    %s", got, test.want)
			}
		})
	}
}

func TestStampRefusesWhatIsNoResource(t *testing.T) {
	t.Parallel()
	for _, json := range []string{``, `[]`, `{}`, `{"id":"1"}`, `{"`} {
		if got, err := Stamp([]byte(json), stamped); !fhir.Is(err, fhir.IssueException) {
			t.Errorf("Stamp(%q) = %s, %v", json, got, err)
		}
	}
}

func TestUnstampTakesAwayWhatStampGives(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ json, want string }{
		"a meta of nothing else": {
			`{"resourceType":"Patient","id":"1", "meta":{"versionId":"1","lastUpdated":"2026-05-14T08:30:00Z"},"gender":"male"}`,
			`{"resourceType":"Patient","gender":"male"}`,
		},
		"a meta with a tag": {
			`{"meta":{"lastUpdated":"2026-05-14T08:30:00Z", "tag":[{"code":"x"}],"version\u0049d":"1"},"resourceType":"Patient"}`,
			`{"meta":{"tag":[{"code":"x"}]},"resourceType":"Patient"}`,
		},
		"contained": {`{"resourceType":"Patient",` + contained + `}`, `{"resourceType":"Patient",` + contained + `}`},
	} {
		if got := string(Unstamp([]byte(test.json))); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestDigestKnowsMeaningFromSpelling(t *testing.T) {
	t.Parallel()
	const json = `{"resourceType":"Patient","id":"1","meta":{"versionId":"1","lastUpdated":"2026-05-14T08:30:00Z"},` +
		`"gender":"male","photo":[{"title":"a/\"é","size":10}]}`
	same := []string{
		`{"resourceType":"Patient","gender":"male","photo":[{"title":"a/\"é","size":10}]}`,
		`{"photo":[{"size":10,"title":"a\/\u0022\u00e9"}], "gender" :"male",` + "\n\t" + `"resource\u0054ype":"Patient"}`,
		`{"id":"2","meta":{"versionId":"9"},"resourceType":"Patient","gender":"male","photo":[{"title":"a/\"é","size":10}]}`,
	}
	other := []string{
		`{"resourceType":"Patient","gender":"female","photo":[{"title":"a/\"é","size":10}]}`,
		`{"resourceType":"Patient","gender":"male","photo":[{"title":"a/\"é","size":10},{"size":10}]}`,
		`{"resourceType":"Patient","gender":"male","photo":[{"title":"a/\"é","size":1e1}]}`,
		`{"resourceType":"Patient","gender":"male","photo":[{"id":"1","title":"a/\"é","size":10}]}`,
		`{"resourceType":"Patient","meta":{"source":"u:a"},"gender":"male","photo":[{"title":"a/\"é","size":10}]}`,
		`{"resourceType":"Patient","gender":"male","photo":[{"meta":{"versionId":"1"},"title":"a/\"é","size":10}]}`,
	}
	want := Digest([]byte(json))
	for _, s := range same {
		if Digest([]byte(s)) != want {
			t.Errorf("another digest for %s", s)
		}
	}
	for _, s := range other {
		if Digest([]byte(s)) == want {
			t.Errorf("the same digest for %s", s)
		}
	}
}

// A stamp is what Digest leaves out, and what Unmarshal takes.
func FuzzStamp(f *testing.F) {
	f.Add(fixture(f, "referral.json"))
	f.Add([]byte(`{"resourceType":"Patient","a":["\`))
	f.Add([]byte(`{"id":"old","meta":{"versionId":"1", "tag":[{"code":"\u0061"}]},"resourceType":"Patient"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := Stamp(raw, stamped)
		sum := Digest(raw)
		if _, refused := Unmarshal(raw); refused != nil {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := Unmarshal(out)
		if err != nil {
			t.Fatal(err)
		}
		id, at := r.Root.Get("id").Text(), r.Root.Get("meta", "lastUpdated").Text()
		if !strings.HasPrefix(at, "2026-05-14T08:30:00.12") || id != stamped.ID {
			t.Errorf("stamped as %s at %s", id, at)
		}
		if Digest(out) != sum {
			t.Errorf("the stamp changes the digest of %s", raw)
		}
		back, err := Unmarshal(Unstamp(out))
		if err != nil || Digest(back.JSON) != sum || back.Root.Get("id").Exists() || back.Root.Get("meta", "versionId").HasValue() {
			t.Errorf("without its stamp: %s, %v", back.JSON, err)
		}
	})
}
