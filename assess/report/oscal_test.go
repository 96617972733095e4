package report_test

import (
	"bytes"
	_ "embed"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"redoubt/assess/report"
)

//go:embed testdata/oscal-assessment-results.schema.json
var oscalSchema []byte

var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(oscalSchema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("oscal.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("oscal.json")
})

// valid holds a document to the structure of OSCAL assessment results, as far as testdata has it: what is required, what there may be, and the forms of values.
func valid(t interface{ Fatal(args ...any) }, text []byte) error {
	s, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// TestSchemaRefuses shows that the schema tells a wrong document from a right one.
func TestSchemaRefuses(t *testing.T) {
	r, m := example(t)
	good := []byte(write(t, report.OSCAL, r, m, "en"))
	for _, x := range [][2]string{
		{`"oscal-version"`, `"version-of-oscal"`},
		{`"import-ap"`, `"import"`},
		{`"status": "open"`, `"status": "open door"`},
		{`"methods": [`, `"ways": [`},
		{`"last-modified": "2`, `"last-modified": "yesterday 2`},
		{`"name": "`, `"name": "1 `},
		{`"assessment-results": {
    "uuid": "`, `"assessment-results": {
    "uuid": "x`},
	} {
		bad := bytes.Replace(good, []byte(x[0]), []byte(x[1]), 1)
		if bytes.Equal(bad, good) {
			t.Fatalf("the document has no %s", x[0])
		}
		if valid(t, bad) == nil {
			t.Errorf("%s in place of %s is valid", x[1], x[0])
		}
	}
}
