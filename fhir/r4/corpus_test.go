package r4

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/fhir/go/fhirversion"
	"github.com/google/fhir/go/jsonformat"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"caselink.example/fhir"
)

// corpus are the files with the extension in our own testdata and, when CASELINK_CORPUS
// names the folder of the public examples, in those of its folders. A name is relative
// to either.
func corpus(t testing.TB, extension string, folders ...string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	add := func(root, folder string) {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != extension || strings.HasPrefix(d.Name(), "_") {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err == nil {
				files[filepath.ToSlash(name)], err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	add(".", "testdata")
	if public := os.Getenv("CASELINK_CORPUS"); public != "" {
		for _, folder := range folders {
			add(public, folder)
		}
	}
	return files
}

// refusal is a row of testdata/refused.tsv: a public example that is not sound FHIR R4,
// where its first fault lies, and why we are right to say so.
type refusal struct{ path, code, why string }

func refusals(t testing.TB) map[string]refusal {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "refused.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]refusal{}
	for _, line := range strings.Split(strings.TrimSpace(string(raw)), "\n")[1:] {
		cells := strings.Split(line, "\t")
		if len(cells) != 4 || cells[3] == "" {
			t.Fatalf("refused.tsv needs file, fhirpath, code and why: %q", line)
		}
		rows[cells[0]] = refusal{cells[1], cells[2], cells[3]}
	}
	return rows
}

// taken decodes an example with the function; it reports false for one that is refused
// as refused.tsv says.
func taken(t *testing.T, rows map[string]refusal, name string, raw []byte, decode func([]byte) (Resource, error)) (Resource, bool) {
	t.Helper()
	r, err := decode(raw)
	row, listed := rows[name]
	switch {
	case err == nil && listed:
		t.Errorf("%s is taken, but refused.tsv has it", name)
	case err != nil && !listed:
		t.Errorf("%s is refused: %v", name, err)
	case err != nil:
		if e := fhir.ErrorsOf(err)[0]; e.Expression != row.path || string(e.Code) != row.code {
			t.Errorf("%s is refused with %s at %q, want %s at %q", name, e.Code, e.Expression, row.code, row.path)
		}
	}
	return r, err == nil
}

var jsonFolders = []string{"r4-examples", "nhs-examples", "bars/oas"}

func TestExamplesDecodeAndEncodeToTheSame(t *testing.T) {
	t.Parallel()
	rows := refusals(t)
	for name, raw := range corpus(t, ".json", jsonFolders...) {
		r, ok := taken(t, rows, name, raw, Unmarshal)
		if !ok {
			continue
		}
		out, err := Marshal(r.Proto)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(document(t, raw), document(t, out)); diff != "" {
			t.Errorf("%s is encoded otherwise (-want +got):\n%s", name, diff)
		}
	}
}

// seconds is a moment with a fraction, whose last digits a message does not keep apart:
// .42 and .420 are one.
var seconds = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d*?)0*(Z|[-+]\d\d:\d\d)$`)

// document is what a JSON text says, numbers as they are written.
func document(t *testing.T, raw []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return withoutTrailingZeros(v)
}

func withoutTrailingZeros(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = withoutTrailingZeros(v[key])
		}
	case []any:
		for i := range v {
			v[i] = withoutTrailingZeros(v[i])
		}
	case string:
		return seconds.ReplaceAllString(v, "$1$2")
	}
	return v
}

// TestMessagesAreThoseOfGooglesDecoder holds our decoder against google/fhir's own,
// wherever that one takes an example too.
func TestMessagesAreThoseOfGooglesDecoder(t *testing.T) {
	t.Parallel()
	google := must(jsonformat.NewUnmarshaller("UTC", fhirversion.R4))
	both := 0
	for name, raw := range corpus(t, ".json", jsonFolders...) {
		r, err := Unmarshal(raw)
		if err != nil {
			continue
		}
		m, err := google.UnmarshalR4(raw)
		if err != nil {
			continue
		}
		both++
		if diff := cmp.Diff(unwrap(m.ProtoReflect()).Interface(), r.Proto, protocmp.Transform()); diff != "" {
			t.Errorf("%s is another message (-google +ours):\n%s", name, diff)
		}
	}
	if both < 2 {
		t.Errorf("only %d examples were compared", both)
	}
}

// TestJSONTestSuite reads github.com/nst/JSONTestSuite, each case as the value of a member.
func TestJSONTestSuite(t *testing.T) {
	t.Parallel()
	for name, raw := range corpus(t, ".json", "hostile/JSONTestSuite-test_parsing") {
		_, fault := scan([]byte(`{"a":` + string(raw) + `}`))
		switch base := filepath.Base(name); {
		case strings.HasPrefix(base, "y_") && fault != nil && fault.Code != fhir.IssueTooCostly:
			t.Errorf("%s is JSON, but refused: %v", base, fault)
		case strings.HasPrefix(base, "n_") && fault == nil:
			t.Errorf("%s is no JSON, but taken", base)
		}
	}
}

// TestNaughtyStringsComeBackAsTheyWent sends github.com/minimaxir/big-list-of-naughty-strings
// through every kind of text.
func TestNaughtyStringsComeBackAsTheyWent(t *testing.T) {
	t.Parallel()
	for _, raw := range corpus(t, ".json", "hostile/blns") {
		var list []string
		if json.Unmarshal(raw, &list) != nil {
			continue
		}
		for _, text := range list {
			if text == "" {
				continue
			}
			quoted := string(appendQuoted(nil, text))
			r, err := Unmarshal([]byte(request(`"patientInstruction":` + quoted + `,"note":[{"text":` + quoted + `}]`)))
			if printable([]byte(text)) != "" {
				if err == nil {
					t.Errorf("%q is taken", text)
				}
				continue
			}
			if err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			again, err := Unmarshal(must(Marshal(r.Proto)))
			if err != nil || again.Root.Get("patientInstruction").Text() != text || again.Root.Get("note", "text").Text() != text {
				t.Errorf("%q comes back as %q, %v", text, again.Root.Get("patientInstruction").Text(), err)
			}
		}
	}
}

// What is taken can be encoded, decodes to the same message again, and is the same
// after XML.
func FuzzUnmarshal(f *testing.F) {
	for _, raw := range corpus(f, ".json") {
		f.Add(raw)
	}
	f.Add([]byte(`{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"u:a","valueCode":"b"}]}]}]}`))
	f.Add([]byte(`{"resourceType":"Parameters","parameter":[{"name":"a","resource":` +
		`{"resourceType":"Binary","contentType":"a/b","data":"AA=="}}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Unmarshal(raw)
		if err != nil {
			return
		}
		out, err := Marshal(r.Proto)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Unmarshal(out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.Proto, again.Proto, protocmp.Transform()); diff != "" {
			t.Errorf("decoded again (-want +got):\n%s", diff)
		}
		xml, err := MarshalXML(raw)
		if err != nil {
			t.Fatal(err)
		}
		across, err := UnmarshalXML(xml)
		if err != nil {
			t.Fatal(err)
		}
		if Digest(across.JSON) != Digest(raw) {
			t.Errorf("%s becomes %s through XML", raw, across.JSON)
		}
	})
}
