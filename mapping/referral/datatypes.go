package referral

import (
	"strconv"
	"strings"

	cpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	dtpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
)

// identifier reads an identifier that counts, and enters it; ok is false for one
// without a value or out of use.
func (a *account) identifier(to string, id *dtpb.Identifier) (out fhir.Identifier, ok bool) {
	if id.GetValue().GetValue() == "" {
		return out, false
	}
	if use := id.GetUse(); use != nil {
		a.mapped(to, use) // also where it rules the identifier out: it decided
		if use.GetValue() == cpb.IdentifierUseCode_OLD {
			return out, false
		}
	}
	a.mapped(to, id.GetSystem(), id.GetValue())
	return fhir.Identifier{System: id.GetSystem().GetValue(), Value: id.GetValue().GetValue()}, true
}

// codings reads the codings that say anything, and enters them.
func (a *account) codings(to string, in []*dtpb.Coding) []fhir.Coding {
	if len(in) == 0 {
		return nil
	}
	out := make([]fhir.Coding, 0, len(in))
	for _, coding := range in {
		coded := codingOf(coding)
		if coded.Code == "" && coded.Display == "" {
			continue
		}
		a.mapped(to, coding.GetSystem(), coding.GetCode(), coding.GetDisplay())
		out = append(out, coded)
	}
	return out
}

func codingOf(c *dtpb.Coding) fhir.Coding {
	return fhir.Coding{System: c.GetSystem().GetValue(), Code: c.GetCode().GetValue(), Display: c.GetDisplay().GetValue()}
}

// concepts reads the codings of all the concepts and the first text among them, and enters them.
func (a *account) concepts(to string, all []*dtpb.CodeableConcept) (codings []fhir.Coding, text string) {
	for _, concept := range all {
		codings = append(codings, a.codings(to, concept.GetCoding())...)
		if text == "" && concept.GetText().GetValue() != "" {
			text = concept.GetText().GetValue()
			a.mapped(to, concept.GetText())
		}
	}
	return codings, text
}

// textOf reads what a concept says in words, and enters it: its text, else the first display.
func (a *account) textOf(to string, concept *dtpb.CodeableConcept) string {
	text := concept.GetText()
	for i := 0; text.GetValue() == "" && i < len(concept.GetCoding()); i++ {
		text = concept.GetCoding()[i].GetDisplay()
	}
	a.mapped(to, text)
	return text.GetValue()
}

// nameLine is a name as one line: as it was written, else put together of its parts.
func (a *account) nameLine(to string, n *dtpb.HumanName) string {
	if text := n.GetText(); text.GetValue() != "" {
		a.mapped(to, text)
		return text.GetValue()
	}
	var parts []string
	for _, some := range [][]*dtpb.String{n.GetPrefix(), n.GetGiven(), {n.GetFamily()}, n.GetSuffix()} {
		for _, part := range some {
			if part.GetValue() != "" {
				a.mapped(to, part)
				parts = append(parts, part.GetValue())
			}
		}
	}
	return strings.Join(parts, " ")
}

// extension finds an extension by its URL.
func extension(all []*dtpb.Extension, url string) *dtpb.Extension {
	for _, e := range all {
		if e.GetUrl().GetValue() == url {
			return e
		}
	}
	return nil
}

// code is the FHIR code of an enumerated value, such as on-hold.
func code(v interface{ String() string }) string {
	return strings.ToLower(strings.ReplaceAll(v.String(), "_", "-"))
}

// item names an item of a list of the case, such as needs[1].
func item(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// isODS reports whether a system names organisations by their ODS code.
func isODS(system string) bool {
	s := nhs.System(system)
	return s == nhs.SystemODS || s == nhs.SystemODSSite
}

// canonical spells a national system, and an ODS code, as the directory does.
func canonical(id fhir.Identifier) fhir.Identifier {
	id.System = nhs.System(id.System)
	if code, err := nhs.ParseODSCode(id.Value); err == nil && isODS(id.System) {
		id.Value = string(code)
	}
	return id
}
