package exectype_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/exectype"
)

// TestExamplesOfTheDocumentation holds docs/examples to what docs/agents.md says of it: each folder is a type that can be registered, and a
// shell understands its scripts.
func TestExamplesOfTheDocumentation(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", "..", "docs", "examples"))
	ok(t, err)
	folders, err := os.ReadDir(root)
	ok(t, err)
	if len(folders) == 0 {
		t.Fatalf("there is no example in %s", root)
	}
	d := exectype.New(exectype.Config{})
	for _, f := range folders {
		t.Run(f.Name(), func(t *testing.T) {
			folder := filepath.Join(root, f.Name())
			if _, err := d.DescribeFolder(t.Context(), cluster.TypeName(f.Name()), folder); err != nil {
				t.Error(err)
			}
			files, err := os.ReadDir(folder)
			ok(t, err)
			scripts := 0
			for _, file := range files {
				path := filepath.Join(folder, file.Name())
				text, err := os.ReadFile(path)
				ok(t, err)
				isScript := bytes.HasPrefix(text, []byte("#!"))
				info, err := file.Info()
				ok(t, err)
				if isScript != (info.Mode().Perm()&0o111 == 0o111) {
					t.Errorf("%s: mode %v; what begins with #! is executable, and nothing else", path, info.Mode())
				}
				if !bytes.HasPrefix(text, []byte("#!/bin/sh\n")) && filepath.Ext(path) != ".sh" {
					continue
				}
				scripts++
				if out, err := exec.CommandContext(t.Context(), "sh", "-n", path).CombinedOutput(); err != nil {
					t.Errorf("sh -n %s: %v: %s", path, err, out)
				}
			}
			if scripts == 0 {
				t.Error("no shell script in it")
			}
		})
	}
}
