package nhs

import "strings"

// Identifier systems, as the national guides print them.
const (
	SystemNumber      = "https://fhir.nhs.uk/Id/nhs-number"
	SystemODS         = "https://fhir.nhs.uk/Id/ods-organization-code"
	SystemODSSite     = "https://fhir.nhs.uk/Id/ods-site-code"
	SystemSDSUser     = "https://fhir.nhs.uk/Id/sds-user-id"
	SystemSDSRole     = "https://fhir.nhs.uk/Id/sds-role-profile-id"
	SystemDoSService  = "https://fhir.nhs.uk/Id/dos-service-id"
	SystemUBRN        = "https://fhir.nhs.uk/Id/UBRN"
	SystemCHI         = "https://fhir.nhs.uk/Id/chi-number"
	SystemCrossCare   = "https://fhir.nhs.uk/Id/cross-care-setting-identifier"
	SystemGMC         = "https://fhir.hl7.org.uk/Id/gmc-number"
	SystemGMP         = "https://fhir.hl7.org.uk/Id/gmp-number"
	SystemNMC         = "https://fhir.hl7.org.uk/Id/nmc-number"
	SystemHCPC        = "https://fhir.hl7.org.uk/Id/hcpc-number"
	SystemGPhC        = "https://fhir.hl7.org.uk/Id/gphc-number"
	systemSDSUserOID  = "1.2.826.0.1285.0.2.0.65"
	systemSDSRoleOID  = "1.2.826.0.1285.0.2.0.67"
	systemNumberOID   = "2.16.840.1.113883.2.1.4.1"
	systemODSOID      = "2.16.840.1.113883.2.1.4.3"
	systemODSOldOID   = "1.2.826.0.1285.0.1.10"
	systemGMCOID      = "2.16.840.1.113883.2.1.3.2.4.16.63"
	systemSNOMEDOID   = "2.16.840.1.113883.6.96"
	systemSNOMEDUKOID = "2.16.840.1.113883.2.1.3.2.4.15"
)

// Code systems.
const (
	SystemSNOMED = "http://snomed.info/sct"
	SystemDMD    = "https://dmd.nhs.uk"
	SystemReadV2 = "http://read.info/readv2"
	SystemCTV3   = "http://read.info/readctv3"
	// SystemVerification is England's NHS number verification status: codes 01 to 08.
	SystemVerification = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"
	// SystemVerificationOld is retired, and still what BaRS examples send.
	SystemVerificationOld = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus"
)

// System returns the spelling that the national guides print for a system that
// differs from it in case, scheme, a trailing slash, British spelling, spaces around
// it, or that is its OID or a version of SNOMED CT. Any other system is returned as
// it came. Compare what it returns; keep what arrived.
func System(uri string) string {
	if _, ok := exact[uri]; ok {
		return uri
	}

	// A version of SNOMED CT, or an edition, says how a code was chosen and not another system.
	folded := fold(uri)
	if strings.HasPrefix(folded, "snomed.info/sct/") {
		return SystemSNOMED
	}
	if canonical, ok := folds[folded]; ok {
		return canonical
	}
	return uri
}

func fold(uri string) string {
	// No guide distinguishes http from https, and senders mix them up.
	s := strings.ToLower(strings.TrimSpace(uri))
	s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
	s = strings.TrimPrefix(s, "urn:oid:")
	return strings.ReplaceAll(strings.TrimSuffix(s, "/"), "organisation", "organization")
}

// folds leads from the folded spelling and from the OID to the canonical system.
var folds, exact = func() (folds map[string]string, exact map[string]struct{}) {
	folds, exact = map[string]string{
		systemNumberOID: SystemNumber, systemODSOID: SystemODS, systemODSOldOID: SystemODS,
		systemSDSUserOID: SystemSDSUser, systemSDSRoleOID: SystemSDSRole, systemGMCOID: SystemGMC,
		systemSNOMEDOID: SystemSNOMED, systemSNOMEDUKOID: SystemSNOMED,
	}, map[string]struct{}{}
	for _, s := range []string{
		SystemNumber, SystemODS, SystemODSSite, SystemSDSUser, SystemSDSRole, SystemDoSService, SystemUBRN, SystemCHI,
		SystemCrossCare, SystemGMC, SystemGMP, SystemNMC, SystemHCPC, SystemGPhC,
		SystemSNOMED, SystemDMD, SystemReadV2, SystemCTV3, SystemVerification, SystemVerificationOld,
	} {
		folds[fold(s)], exact[s] = s, struct{}{}
	}
	return folds, exact
}()
