package r4

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// primitive is one of FHIR's primitive types. https://hl7.org/fhir/R4/datatypes.html#primitive
type primitive uint8

const (
	notPrimitive primitive = iota
	booleanType
	integerType
	unsignedIntType
	positiveIntType
	decimalType
	stringType
	markdownType
	xhtmlType
	codeType
	idType
	uriType
	urlType
	canonicalType
	oidType
	uuidType
	base64BinaryType
	dateType
	dateTimeType
	instantType
	timeType
)

var primitives = map[string]primitive{
	"boolean": booleanType, "integer": integerType, "unsignedInt": unsignedIntType, "positiveInt": positiveIntType,
	"decimal": decimalType, "string": stringType, "markdown": markdownType, "xhtml": xhtmlType, "code": codeType,
	"id": idType, "uri": uriType, "url": urlType, "canonical": canonicalType, "oid": oidType, "uuid": uuidType,
	"base64Binary": base64BinaryType, "date": dateType, "dateTime": dateTimeType, "instant": instantType, "time": timeType,
}

// kindIn says which kind of JSON value the type has, when k is not it.
func (p primitive) kindIn(k kind) (want string) {
	switch p {
	case booleanType:
		if k != trueKind && k != falseKind {
			return kindNames[trueKind]
		}
	case integerType, unsignedIntType, positiveIntType, decimalType:
		if k != numberKind {
			return kindNames[numberKind]
		}
	default:
		if k != stringKind {
			return kindNames[stringKind]
		}
	}
	return ""
}

// format says what a value of the type looks like, when text is none.
func (p primitive) format(text []byte) (want string) {
	switch p {
	case integerType:
		return integer(text, -1<<31, 1<<31-1)
	case unsignedIntType:
		return integer(text, 0, 1<<31-1)
	case positiveIntType:
		return integer(text, 1, 1<<31-1)
	case decimalType:
		return decimal(text)
	case stringType, markdownType, xhtmlType:
		return printable(text)
	case codeType:
		return code(text)
	case idType:
		if !isID(string(text)) {
			return "1 to 64 of A-Z, a-z, 0-9, - and ."
		}
	case uriType, urlType, canonicalType:
		return uri(text)
	case oidType:
		if oid, ok := strings.CutPrefix(string(text), "urn:oid:"); !ok || !isOID(oid) {
			return "urn:oid: and an OID, such as urn:oid:2.16.840.1"
		}
	case uuidType:
		if uuid, ok := strings.CutPrefix(string(text), "urn:uuid:"); !ok || !isUUID(uuid) {
			return "urn:uuid: and 8-4-4-4-12 hexadecimal digits in lower case"
		}
	case base64BinaryType:
		if _, err := decodeBase64(text); err != nil {
			return "base64 with padding (RFC 4648 section 4)"
		}
	case dateType, dateTimeType, instantType, timeType:
		if _, ok := parseMoment(p, string(text)); !ok {
			return momentFormats[p]
		}
	}
	return ""
}

var momentFormats = map[primitive]string{
	dateType:     "YYYY, YYYY-MM or YYYY-MM-DD, a day of the calendar",
	dateTimeType: "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or an offset such as +01:00",
	instantType:  "YYYY-MM-DDThh:mm:ss with Z or an offset such as +01:00",
	timeType:     "hh:mm:ss",
}

func integer(text []byte, low, high int64) (want string) {
	// JSON knows no leading zeros or plus, so -0 is the one odd spelling of a whole number.
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < low || n > high || string(text) == "-0" {
		return "a whole number from " + strconv.FormatInt(low, 10) + " to " + strconv.FormatInt(high, 10)
	}
	return ""
}

// decimal is any number of JSON that the common arithmetic can hold.
func decimal(text []byte) (want string) {
	if _, err := strconv.ParseFloat(string(text), 64); err != nil {
		return "a number up to 1.7e308"
	}
	return ""
}

// printable is text without control characters other than tab, line feed and carriage return.
func printable(text []byte) (want string) {
	for _, c := range text {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return "text has no control characters other than tab, line feed and carriage return"
		}
	}
	return ""
}

// code is words with one white space between them.
func code(text []byte) (want string) {
	space := true
	for _, c := range text {
		if c <= ' ' {
			if space || c < ' ' && c != '\t' && c != '\n' && c != '\r' {
				return "no white space at the ends, and one at a time between words"
			}
			space = true
			continue
		}
		space = false
	}
	if space {
		return "no white space at the ends, and one at a time between words"
	}
	return ""
}

func uri(text []byte) (want string) {
	for _, c := range text {
		if c <= ' ' {
			return "a URI has no white space"
		}
	}
	return ""
}

func isID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// isUUID reports whether s is a UUID in lower case, the form of FHIR's uuid.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isOID reports whether s is an OID: a first arc of 0 to 2, then numbers without leading zeros.
func isOID(s string) bool {
	arcs := strings.Split(s, ".")
	if len(arcs) < 2 || len(arcs[0]) != 1 || arcs[0][0] < '0' || arcs[0][0] > '2' {
		return false
	}
	for _, arc := range arcs[1:] {
		if len(arc) == 0 || len(arc) > 1 && arc[0] == '0' || strings.Trim(arc, "0123456789") != "" {
			return false
		}
	}
	return true
}

// decodeBase64 decodes base64 with the white space that FHIR allows in it.
func decodeBase64(text []byte) ([]byte, error) {
	// FHIR lets lines be broken; the library skips line ends alone.
	compact := make([]byte, 0, len(text))
	for _, c := range text {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			compact = append(compact, c)
		}
	}
	n, err := base64.StdEncoding.Decode(compact, compact)
	return compact[:n], err
}
