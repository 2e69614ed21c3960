package terminology_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
	"caselink.example/mapping/terminology"
)

var terms = terminology.Default()

func sct(code string) fhir.Coding  { return fhir.Coding{System: nhs.SystemSNOMED, Code: code} }
func read(code string) fhir.Coding { return fhir.Coding{System: nhs.SystemReadV2, Code: code} }

// table is the rows of needs.tsv without its heading, each as its seven columns.
func table(t *testing.T) [][]string {
	t.Helper()
	raw, err := os.ReadFile("needs.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for _, row := range strings.Split(strings.TrimSpace(string(raw)), "\n")[1:] {
		f := strings.Split(row, "\t")
		if len(f) != 7 {
			t.Fatalf("%q: want seven columns", row)
		}
		rows = append(rows, f)
	}
	return rows
}

// categoryOf is the category that a row names.
func categoryOf(row []string) (terminology.Category, bool) {
	all := terms.Categories()
	i := slices.IndexFunc(all, func(c terminology.Category) bool { return c.Code == row[3] })
	if i < 0 {
		return terminology.Category{}, false
	}
	return all[i], true
}

func TestTableHoldsWellFormedCodesFromGoodSources(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	rows := table(t)
	for _, f := range rows {
		if seen[f[0]+f[1]] {
			t.Errorf("%q: want each code once", f)
		}
		seen[f[0]+f[1]] = true
		if _, err := nhs.ParseSCTID(f[1]); f[0] == nhs.SystemSNOMED && err != nil {
			t.Errorf("%s: %v", f[1], err)
		}
		if f[0] == nhs.SystemReadV2 && len(f[1]) != 5 {
			t.Errorf("%q is not a five-byte Read code", f[1])
		}
		category, known := categoryOf(f)
		if !known || !slices.Contains([]string{"equivalent", "wider", "inexact"}, f[4]) ||
			!slices.Contains([]string{"A", "A-", "B"}, f[6]) || f[5] != "" && f[5] != "sensitive" {
			t.Errorf("%q: unknown category, equivalence, handling or confidence", f)
		}
		got, ok := terms.Lookup(fhir.Coding{System: f[0], Code: f[1]})
		want := terminology.Concept{Display: f[2], Category: f[3], Equivalence: f[4], Sensitive: f[5] != "" || category.Sensitive}
		if !ok || got != want {
			t.Errorf("Lookup(%s) = %v, %v; want %v", f[1], got, ok, want)
		}
	}
	if len(rows) < 50 {
		t.Errorf("the table has %d rows", len(rows))
	}
}

func TestRowOfASensitiveCategoryIsSensitive(t *testing.T) {
	t.Parallel()
	found := 0
	for _, f := range table(t) {
		if category, _ := categoryOf(f); !category.Sensitive {
			continue
		}
		found++
		if got, _ := terms.Lookup(fhir.Coding{System: f[0], Code: f[1]}); !got.Sensitive {
			t.Errorf("%s (%s) is shown to every eye, though its category %s is not", f[1], f[2], f[3])
		}
	}
	if found == 0 {
		t.Error("no row is of a sensitive category")
	}
	if got, _ := terms.Lookup(fhir.Coding{System: terminology.SystemNeed, Code: "domestic-abuse-safety"}); !got.Sensitive {
		t.Error("domestic abuse is shown to every eye")
	}
}

func TestCategoryIsTheFirstThatTheMapKnows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		codings []fhir.Coding
		want    string
	}{
		{[]fhir.Coding{sct("267076002")}, "loneliness-isolation"},
		{[]fhir.Coding{{System: "https://snomed.info/sct/", Code: "267076002"}}, "loneliness-isolation"},
		{[]fhir.Coding{{System: "https://local.example", Code: "X1"}, sct("160933000"), sct("81877007")}, "debt-finance"},
		{[]fhir.Coding{sct("414041006")}, "other-social"}, // does not have a caregiver: not a carer
		{[]fhir.Coding{read("13EH.")}, "housing"},
		{[]fhir.Coding{read("13EH.00")}, "housing"},
		{[]fhir.Coding{{System: terminology.SystemNeed, Code: "food"}}, "food"},
		{[]fhir.Coding{{System: terminology.SystemNeed, Code: "fod"}}, ""},
		{[]fhir.Coding{read("13EH.0")}, ""}, // half a term code: cut off in between, so nobody knows what was meant
		{[]fhir.Coding{read("13EH.000")}, ""},
		{[]fhir.Coding{read("13EH")}, ""},  // the dot carries meaning
		{[]fhir.Coding{read("13eh.")}, ""}, // so does the case
		{[]fhir.Coding{{Code: "267076002"}}, ""},
		{[]fhir.Coding{{System: "https://local.example", Code: "X1", Display: "Feeling lonely"}}, ""}, // words are not codes
		{nil, ""},
	}
	for _, test := range tests {
		got, ok := terms.Category(test.codings)
		if want := orUnspecified(test.want); got != want || ok != (test.want != "") {
			t.Errorf("Category(%v) = %q, %v; want %q", test.codings, got, ok, want)
		}
	}
}

func orUnspecified(want string) string {
	if want == "" {
		return terminology.Unspecified
	}
	return want
}

func TestCodingsThatDisagreeAreSeen(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		codings []fhir.Coding
		want    bool
	}{
		{[]fhir.Coding{sct("267076002"), sct("81877007")}, true},
		{[]fhir.Coding{sct("267076002"), sct("422650009")}, false},
		{[]fhir.Coding{sct("267076002"), {System: "https://local.example", Code: "X1"}}, false},
		{nil, false},
	} {
		if got := terms.Disagree(test.codings); got != test.want {
			t.Errorf("Disagree(%v) = %v, want %v", test.codings, got, test.want)
		}
	}
}

func TestDamagedCodeIsSeenAndARepairOffered(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		coding  fhir.Coding
		damaged bool
		repair  string
	}{
		"sound":                  {sct("1364141000000107"), false, ""},
		"cut by a spreadsheet":   {sct("1364141000000100"), true, "1364141000000107"},
		"a cut code for code":    {sct("1084281000000100"), true, "1084281000000109"},
		"cut, but not ours":      {sct("1091811000000100"), true, ""},
		"mistyped":               {sct("267076003"), true, ""},
		"of another code system": {read("1364141000000100"), false, ""},
		"no code":                {sct(""), false, ""},
	}
	for name, test := range tests {
		repair, damaged := terms.Damaged(test.coding)
		if damaged != test.damaged || repair.Code != test.repair || (repair.Display == "") != (test.repair == "") {
			t.Errorf("%s: %v, %v; want %v, repair %q", name, repair, damaged, test.damaged, test.repair)
		}
		if got, ok := terms.Category([]fhir.Coding{test.coding}); test.damaged && ok {
			t.Errorf("%s: category %s, though nobody has confirmed the repair", name, got)
		}
	}
}

func TestRequestedIsSocialPrescribingWhenOneCodeSaysSo(t *testing.T) {
	t.Parallel()
	local := fhir.Coding{System: "https://local.example", Code: "SP"}
	for _, test := range []struct {
		codings []fhir.Coding
		want    terminology.Request
	}{
		{[]fhir.Coding{terminology.SocialPrescribing}, terminology.RequestSocialPrescribing},
		{[]fhir.Coding{local, sct("515721000000104")}, terminology.RequestSocialPrescribing},
		{[]fhir.Coding{sct("1078371000000100"), sct("871731000000106")}, terminology.RequestSocialPrescribing},
		{[]fhir.Coding{read("8T09.00")}, terminology.RequestSocialPrescribing},
		{[]fhir.Coding{read("8T09.0")}, terminology.RequestUnknown},
		{[]fhir.Coding{sct("1078371000000100")}, terminology.RequestOther},
		{[]fhir.Coding{sct("871711000000103")}, terminology.RequestDeclined},
		{[]fhir.Coding{local}, terminology.RequestUnknown},
		{nil, terminology.RequestUnknown},
	} {
		if got := terms.Requested(test.codings); got != test.want {
			t.Errorf("Requested(%v) = %s, want %s", test.codings, got, test.want)
		}
	}
}

func TestCategoriesAllHaveATextForPeople(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range terms.Categories() {
		got, ok := terms.Lookup(fhir.Coding{System: terminology.SystemNeed, Code: c.Code})
		want := terminology.Concept{Display: c.Display, Category: c.Code, Equivalence: "equivalent", Sensitive: c.Sensitive}
		if !ok || c.Display == "" || seen[c.Code] || got != want {
			t.Errorf("%s stands for %+v, %v; want %+v, once", c.Code, got, ok, want)
		}
		seen[c.Code] = true
	}
	if !seen[terminology.Unspecified] {
		t.Error("what no code says has no category")
	}
	if got, ok := terms.Lookup(fhir.Coding{System: terminology.SystemNeed, Code: "x"}); ok {
		t.Errorf("a category that is none stands for %+v", got)
	}
}
