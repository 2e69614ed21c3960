package referral_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	bcrpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
	srpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/referral"
)

// held are the types that a referral's references may lead to.
var held = []protoreflect.Name{
	"Patient", "PractitionerRole", "Practitioner", "Organization", "RelatedPerson", "HealthcareService", "Condition",
	"Observation", "Flag", "Consent", "QuestionnaireResponse",
}

// maximal is a ServiceRequest with every element of every type populated, and the
// resources that it refers to likewise. variant picks among choices and codes.
func maximal(variant int) *srpb.ServiceRequest {
	sr := &srpb.ServiceRequest{}
	fill(sr.ProtoReflect(), variant, 0)
	sr.Contained = nil
	for _, name := range held {
		box := &bcrpb.ContainedResource{}
		m := box.ProtoReflect()
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			if f := fields.Get(i); f.Message().Name() == name {
				fill(m.Mutable(f).Message(), variant, 0)
				setID(m.Get(f).Message(), string(name))
			}
		}
		packed, err := anypb.New(box)
		if err != nil {
			panic(err)
		}
		sr.Contained = append(sr.Contained, packed)
	}
	to := func(name string) *dtpb.Reference {
		return &dtpb.Reference{Reference: &dtpb.Reference_Fragment{Fragment: &dtpb.String{Value: name}}, Display: &dtpb.String{Value: "d"}}
	}
	sr.Subject = to("Patient")
	sr.Requester = to([]string{"PractitionerRole", "Practitioner", "Organization", "RelatedPerson", "Patient"}[variant%5])
	sr.Performer = []*dtpb.Reference{to("HealthcareService")}
	sr.ReasonReference = []*dtpb.Reference{to("Condition"), to("Observation")}
	sr.SupportingInfo = []*dtpb.Reference{to("Flag"), to("Consent"), to("Condition"), to("Observation"), to("QuestionnaireResponse")}
	return sr
}

func setID(m protoreflect.Message, id string) {
	f := m.Descriptor().Fields().ByName("id")
	m.Set(f, protoreflect.ValueOfMessage((&dtpb.Id{Value: id}).ProtoReflect()))
}

// fill populates every element of m, to a depth at which nothing new appears.
func fill(m protoreflect.Message, variant, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if one := f.ContainingOneof(); one != nil && one.Fields().Get(variant%one.Fields().Len()) != f {
			continue
		}
		switch {
		case f.Message() == nil:
			m.Set(f, scalar(f, variant))
		case f.Message().FullName() == "google.protobuf.Any", depth > 5, f.Message().Name() == "Extension" && depth > 2:
		case f.IsList():
			fill(m.Mutable(f).List().AppendMutable().Message(), variant, depth+1)
		default:
			fill(m.Mutable(f).Message(), variant, depth+1)
		}
	}
}

func scalar(f protoreflect.FieldDescriptor, variant int) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		if f.Name() == "timezone" {
			return protoreflect.ValueOfString("Z")
		}
		return protoreflect.ValueOfString(fmt.Sprintf("%s-%d", f.Name(), variant))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(f.Enum().Values().Get(1 + variant%(f.Enum().Values().Len()-1)).Number())
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(1700000000000000)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(7)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(7)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("x"))
	}
	panic("no value for " + f.Kind().String())
}

// leaf is an element with a value of its own, and where it stands.
type leaf struct {
	path  string
	value protoreflect.Message
}

// leaves are all elements of m that have a value. contained are the resources that
// stand unpacked for the packed ones.
func leaves(path string, m protoreflect.Message, contained []proto.Message) (out []leaf) {
	var scalars int
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		at := path + "." + f.JSONName()
		if one := f.ContainingOneof(); one != nil {
			at = path // a choice is no element
			if one.Name() == "reference" {
				at = path + ".reference"
			}
		}
		switch {
		case f.Message() == nil:
			scalars++
		case f.Name() == "contained" && path == "ServiceRequest":
			for i, c := range contained {
				out = append(out, leaves(fmt.Sprintf("%s[%d]", at, i), c.ProtoReflect(), nil)...)
			}
		case f.Message().FullName() == "google.protobuf.Any":
		case f.IsList():
			for i := range v.List().Len() {
				out = append(out, leaves(fmt.Sprintf("%s[%d]", at, i), v.List().Get(i).Message(), nil)...)
			}
		case m.Descriptor().Name() == "ReferenceId":
		default:
			out = append(out, leaves(at, v.Message(), nil)...)
		}
		return true
	})
	if scalars > 0 || len(out) == 0 {
		out = append(out, leaf{path, m})
	}
	return out
}

func unpacked(t testing.TB, sr *srpb.ServiceRequest) []proto.Message {
	t.Helper()
	var out []proto.Message
	for _, packed := range sr.GetContained() {
		box := &bcrpb.ContainedResource{}
		if err := packed.UnmarshalTo(box); err != nil {
			t.Fatal(err)
		}
		m := box.ProtoReflect()
		out = append(out, m.Get(m.WhichOneof(m.Descriptor().Oneofs().Get(0))).Message().Interface())
	}
	return out
}

func byPath(steps []referral.Step) map[string]referral.Step {
	index := map[string]referral.Step{}
	for _, s := range steps {
		index[s.Path] = s
	}
	return index
}

// stepFor is the step that accounts for the path: its own, or that of an element
// around it.
func stepFor(steps map[string]referral.Step, path string) (referral.Step, bool) {
	for path != "" {
		if s, ok := steps[path]; ok {
			return s, true
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return referral.Step{}, false
}

func TestEveryElementThatArrivesIsAccountedFor(t *testing.T) {
	t.Parallel()
	for variant := range 5 {
		sr := maximal(variant)

		ref, _ := referral.FromFHIR(r4.Resource{Type: "ServiceRequest", Proto: sr}, terms)

		steps, missing := byPath(ref.Trace()), 0
		all := leaves("ServiceRequest", sr.ProtoReflect(), unpacked(t, sr))
		for _, l := range all {
			if s, ok := stepFor(steps, l.path); !ok {
				t.Errorf("variant %d: nothing accounts for %s", variant, l.path)
				missing++
			} else if s.Action == referral.Mapped && s.To == "" || s.Action == referral.Refused && s.Why == "" {
				t.Errorf("variant %d: %s is %s, but not where to or why", variant, l.path, s.Action)
			}
		}
		if len(all) < 2000 || missing > 0 {
			t.Fatalf("variant %d: %d of %d elements missing", variant, missing, len(all))
		}
	}
}

// TestRealReferralsAreAccountedFor reads the ServiceRequests of the folder that
// CASELINK_CORPUS names, else our own.
func TestRealReferralsAreAccountedFor(t *testing.T) {
	t.Parallel()
	folder := cmp.Or(os.Getenv("CASELINK_CORPUS"), "testdata")
	read := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r, err := r4.Unmarshal(raw)
		if err != nil || r.Type != "ServiceRequest" {
			return nil // another type, or not sound: refused before it gets here
		}
		read++
		sr := r.Proto.(*srpb.ServiceRequest)
		ref, _ := referral.FromFHIR(r, terms)
		steps := byPath(ref.Trace())
		for _, l := range leaves("ServiceRequest", sr.ProtoReflect(), unpacked(t, sr)) {
			if _, ok := stepFor(steps, l.path); !ok {
				t.Errorf("%s: nothing accounts for %s", path, l.path)
			}
		}
		return nil
	})
	if err != nil || read == 0 {
		t.Errorf("%d referrals read in %s: %v", read, folder, err)
	}
	t.Logf("%d referrals read", read)
}

func TestNoElementIsAccountedForTwice(t *testing.T) {
	t.Parallel()
	ref, _ := referral.FromFHIR(r4.Resource{Type: "ServiceRequest", Proto: maximal(0)}, terms)
	seen := map[string]bool{}
	for _, s := range ref.Trace() {
		if seen[s.Path] {
			t.Errorf("two steps for %s", s.Path)
		}
		seen[s.Path] = true
	}
}

func TestEveryModifierExtensionIsRefused(t *testing.T) {
	t.Parallel()
	sr := maximal(1)
	want := map[string]bool{}
	for _, l := range leaves("ServiceRequest", sr.ProtoReflect(), unpacked(t, sr)) {
		if before, _, ok := strings.Cut(l.path, ".modifierExtension"); ok {
			want[before+".modifierExtension[0]"] = true
		}
	}

	_, err := referral.FromFHIR(r4.Resource{Type: "ServiceRequest", Proto: sr}, terms)

	for _, e := range fhir.ErrorsOf(err) {
		if e.Code == fhir.IssueExtension {
			delete(want, e.Expression)
		}
	}
	if len(want) > 0 {
		t.Errorf("not refused: %v", want)
	}
}

// change makes another value of a leaf.
func change(m protoreflect.Message) {
	for _, name := range []protoreflect.Name{"value", "value_us"} {
		f := m.Descriptor().Fields().ByName(name)
		if f == nil {
			continue
		}
		switch v := m.Get(f); f.Kind() {
		case protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(v.String()+"X"))
		case protoreflect.BoolKind:
			m.Set(f, protoreflect.ValueOfBool(!v.Bool()))
		case protoreflect.EnumKind:
			m.Set(f, protoreflect.ValueOfEnum(1+v.Enum()%protoreflect.EnumNumber(f.Enum().Values().Len()-1)))
		case protoreflect.Int64Kind:
			m.Set(f, protoreflect.ValueOfInt64(v.Int()+400*24*60*60*1000000))
		case protoreflect.Uint32Kind:
			m.Set(f, protoreflect.ValueOfUint32(uint32(v.Uint())+1))
		}
	}
}

// meaning is all that FromFHIR says of a ServiceRequest, without the trace.
func meaning(t *testing.T, sr *srpb.ServiceRequest) string {
	t.Helper()
	var u understood
	u.read(referral.FromFHIR(r4.Resource{Type: "ServiceRequest", Proto: sr}, terms))
	u.Trace = nil
	out, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// What the trace calls kept must not matter to the case, and what it calls mapped must.
func TestTraceTellsTheTruth(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"typical.json", "bars.json", "held.json", "logical.json"} {
		sr := fixture(t, name).Proto.(*srpb.ServiceRequest)
		ref, _ := referral.FromFHIR(r4.Resource{Type: "ServiceRequest", Proto: sr}, terms)
		steps, before := byPath(ref.Trace()), meaning(t, sr)
		for i, l := range leaves("ServiceRequest", sr.ProtoReflect(), unpacked(t, sr)) {
			step, _ := stepFor(steps, l.path)

			changed := meaning(t, changedAt(t, sr, i)) != before

			switch {
			case step.Action == referral.Kept && changed && !anchor(l.path):
				t.Errorf("%s: %s is kept, yet it changes the case", name, l.path)
			case step.Action == referral.Mapped && !changed && !choosing(l.path):
				t.Errorf("%s: %s is mapped to %s, yet it changes nothing", name, l.path, step.To)
			}
		}
	}
}

// anchor reports whether a path is the id to which references lead.
func anchor(path string) bool {
	return strings.HasPrefix(path, "ServiceRequest.contained[") && strings.HasSuffix(path, "].id") && strings.Count(path, ".") == 2
}

// choosing reports whether an element only decides what becomes of others, so that not
// every other value of it matters.
func choosing(path string) bool {
	for _, end := range []string{".use", ".status", ".intent", "Status.coding[0].code"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

// changedAt is a copy of the ServiceRequest whose i-th leaf has another value.
func changedAt(t *testing.T, sr *srpb.ServiceRequest, i int) *srpb.ServiceRequest {
	t.Helper()
	out := proto.Clone(sr).(*srpb.ServiceRequest)
	contained := unpacked(t, out)
	change(leaves("ServiceRequest", out.ProtoReflect(), contained)[i].value)
	for n, resource := range contained {
		box := &bcrpb.ContainedResource{}
		fields := box.ProtoReflect().Descriptor().Fields()
		for f := range fields.Len() {
			if fields.Get(f).Message() == resource.ProtoReflect().Descriptor() {
				box.ProtoReflect().Set(fields.Get(f), protoreflect.ValueOfMessage(resource.ProtoReflect()))
			}
		}
		packed, err := anypb.New(box)
		if err != nil {
			t.Fatal(err)
		}
		out.Contained[n] = packed
	}
	return out
}
