package assess_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"redoubt/assess"
	"redoubt/assess/model"
)

// TestExampleGivesEverySection computes the example that is shipped: every section of the report is there, on any number of processors the same to the byte, and names
// the formulas that it is computed by.
func TestExampleGivesEverySection(t *testing.T) {
	m, err := model.Read([]byte(model.Example()))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, workers := range []int{1, 4} {
		r, err := assess.Run(t.Context(), m, assess.Options{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.ValueOf(*r)
		for i := range v.NumField() {
			if v.Field(i).Kind() != reflect.Pointer {
				continue
			}
			name := v.Type().Field(i).Name
			if v.Field(i).IsNil() {
				t.Errorf("the report has no section %s", name)
				continue
			}
			trace, ok := v.Field(i).Elem().FieldByName("Trace").Interface().(assess.Trace)
			if !ok || len(trace.Formulas) == 0 || len(trace.Inputs) == 0 {
				t.Errorf("section %s names neither formulas nor inputs: %+v", name, trace)
			}
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if texts[0] != texts[1] {
		t.Error("one processor and four give different reports")
	}
}
