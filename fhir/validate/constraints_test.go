package validate

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// types are the resource types whose invariants are all accounted for. Of the others
// only the datatypes, the narrative and the contained resources are.
var types = strings.Fields(`AllergyIntolerance Appointment AppointmentResponse AuditEvent Bundle CapabilityStatement CarePlan
	CareTeam Communication CommunicationRequest Composition Condition Consent Coverage Device DiagnosticReport
	DocumentReference Encounter Endpoint EpisodeOfCare FamilyMemberHistory Flag Goal Group HealthcareService Immunization
	List Location Media Medication MedicationRequest MedicationStatement MessageHeader Observation OperationOutcome
	Organization Parameters Patient Practitioner PractitionerRole Procedure Provenance Questionnaire
	QuestionnaireResponse RelatedPerson Schedule SearchParameter ServiceRequest Slot Specimen Subscription Task`)

// corpus is the folder of the test data that is not part of the repository; "" for none.
func corpus() string { return os.Getenv("CASELINK_CORPUS") }

// TestEveryConstraintOfTheSpecificationIsAccountedFor reads the official definitions.
// Without them it sees that the table of reasons is one.
func TestEveryConstraintOfTheSpecificationIsAccountedFor(t *testing.T) {
	t.Parallel()
	reasons := map[string]string{}
	for _, row := range readTSV(t, "testdata/unchecked.tsv", 3) {
		if row[2] == "" {
			t.Errorf("%s at %s: no reason", row[0], row[1])
		}
		reasons[row[0]+" "+row[1]] = row[2]
	}
	ruled := map[string]bool{}
	for path, s := range everyShape() {
		for _, r := range s.rules {
			ruled[r.key+" "+path] = true
		}
	}
	for constraint := range reasons {
		if ruled[constraint] {
			t.Errorf("%s: there is a rule; the reason why not has to go", constraint)
		}
	}
	if corpus() == "" {
		return
	}
	published := constraints(t)
	if len(published) < 120 {
		t.Fatalf("only %d constraints found: the test does not look at the specification", len(published))
	}
	for constraint := range published {
		if !ruledAtOrAbove(ruled, constraint) && reasons[constraint] == "" {
			t.Errorf("%s: %s: neither a rule nor a reason", constraint, published[constraint])
		}
	}
	for constraint := range reasons {
		if _, ok := published[constraint]; !ok {
			t.Errorf("%s: the specification has no such constraint", constraint)
		}
	}
	t.Logf("%d constraints, %d of them not checked here", len(published), len(reasons))
}

// ruledAtOrAbove reports whether there is a rule of the key at the place of the
// constraint, or at an element that it is part of.
func ruledAtOrAbove(ruled map[string]bool, constraint string) bool {
	for !ruled[constraint] {
		i := strings.LastIndexByte(constraint, '.')
		if i < 0 {
			return false
		}
		constraint = constraint[:i]
	}
	return true
}

type definition struct {
	ResourceType, Kind, Type, URL, Derivation string
	Snapshot                                  struct {
		Element []struct {
			Path       string
			Constraint []struct{ Key, Severity, Human, Source string }
		}
	}
}

// constraints are the error-severity constraints of the datatypes and of types, as "key path".
func constraints(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, d := range definitions40(t) {
		base := d.URL == "http://hl7.org/fhir/StructureDefinition/"+d.Type
		mine := d.Kind == "complex-type" || d.Kind == "primitive-type" || slices.Contains(types, d.Type) || d.Type == "DomainResource"
		if d.ResourceType != "StructureDefinition" || !base || !mine {
			continue
		}
		for _, e := range d.Snapshot.Element {
			for _, c := range e.Constraint {
				inherited := c.Source != "" && !strings.HasSuffix(c.Source, "/"+d.Type)
				if c.Severity == "error" && !inherited && e.Path != "Extension.extension" && e.Path != "Element.extension" {
					found[c.Key+" "+e.Path] = c.Human
				}
			}
		}
	}
	return found
}

// definitions40 are the StructureDefinitions of the package hl7.fhir.r4.core 4.0.1.
func definitions40(t *testing.T) []definition {
	t.Helper()
	packages, _ := filepath.Glob(filepath.Join(corpus(), "r4", "hl7.fhir.r4.core-4.0.1", "*.tgz")) // the pattern is sound
	if len(packages) != 1 {
		t.Fatalf("%d packages of hl7.fhir.r4.core in the corpus, want 1", len(packages))
	}
	f, err := os.Open(packages[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]definition{}
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return slices.Collect(maps.Values(byName))
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(filepath.Base(header.Name), "StructureDefinition-") {
			continue
		}
		var d definition
		if err := json.NewDecoder(files).Decode(&d); err != nil {
			t.Fatal(err)
		}
		byName[header.Name] = d
	}
}
