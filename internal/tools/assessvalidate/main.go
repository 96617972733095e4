// Command assessvalidate holds the assessor's forecast of frequencies against public counts of incidents, and writes what it finds as a page:
//
//	go run ./internal/tools/assessvalidate > docs/assessor-validation.md
//
// Its data are in its directory, so the page can be made again at any time.
package main

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"redoubt/assess/risk"
)

//go:embed data/*.csv
var data embed.FS

// types are the breaches that are counted: those of one type only.
var types = []string{"Theft", "Loss", "Hacking/IT Incident", "Unauthorized Access/Disclosure", "Improper Disposal"}

const level = 0.9

func main() {
	if err := write(os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "assessvalidate: %v\n", err)
		os.Exit(1)
	}
}

// kind is a way to forecast.
type kind struct {
	name       string
	candidates []risk.Drift
}

var kinds = []kind{
	{"Poisson-gamma, formulas 3.5 to 3.7 as they are", risk.Candidates(false, false)},
	{"with forgetting, chosen on earlier years", risk.Candidates(true, false)},
	{"with a year effect, chosen on earlier years", risk.Candidates(false, true)},
	{"with both, chosen on earlier years", risk.Candidates(true, true)},
}

func write(w io.Writer) error {
	yearly, err := years()
	if err != nil {
		return err
	}
	quarterly, err := quarters()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(head)
	b.WriteString("## Years\n\nFull years 2010 to 2015, five types. The first year is never forecast, so there are 25 forecasts; the last column counts only 2012 to 2015, where two years or more were known.\n\n")
	table(&b, yearly, 2)
	b.WriteString("\n")
	detail(&b, yearly)
	b.WriteString("\n## Quarters\n\nThe same counts from January 2010 to September 2016 by quarter, each an exposure of a quarter of a year. The last column leaves out the first eight quarters.\n\n")
	table(&b, quarterly, 8)
	b.WriteString(tail)
	_, err = w.Write(b.Bytes())
	return err
}

const head = `# Validation of the forecast of frequencies

This page is made by ` + "`go run ./internal/tools/assessvalidate > docs/assessor-validation.md`" + `; do not edit it.

Data: breaches of health records in the USA, reported to the Department of Health and Human Services. Reports are mandatory from 500 people on, so the counts are a rate. They are a federal work in the
public domain; where they come from is in ` + "`internal/tools/assessvalidate/data/README.md`" + `.

Each count is forecast one step ahead from those before it only. Where forgetting or a year effect is chosen, it is chosen anew for each forecast, by how well forecasts of the earlier counts of all five types
would have done: what is judged never took part in the choice. The prior is that of Jeffreys.

Two figures judge a forecast. *Inside* is how often the count lay in the central interval of 90 %; as counts are whole numbers, the interval holds 90 % or a little more. The *score* is the mean natural
logarithm of the probability that the forecast gave to what came; a difference of 0.1 is a factor of 1.1 in that probability for each forecast. *Poisson* is the score of Poisson's law with the mean of all earlier counts.

`

const tail = `
## What follows from it

The conjugate model is right about what it does not know of a constant rate, and nothing else: real rates change from year to year, so its intervals are too narrow, and the more so, the more was counted.
With ` + "`choose_by: held-back`" + ` and ` + "`year_effect: true`" + ` in section ` + "`frequency`" + ` the model learns from the user's own earlier periods how fast the past loses its worth, and how much periods differ. Forgetting lowers the
weight of a period with each further one of its age; the year effect gives each period a rate of its own about the mean one. With few periods the choice is rough: a back-test stands beside every forecast in the report, so that everyone sees
how it would have done on his own data.

These are five series of one country and one branch. They say that the plain model is overconfident on them and that the choice on held-back years mends most of it; they do not say that it will on others.
`

// table writes how each kind did. Late is from which span on the last column counts.
func table(b *bytes.Buffer, series []risk.Series, late int) {
	b.WriteString("| forecast | forecasts | inside | share | score | Poisson | later: inside |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, k := range kinds {
		all := risk.Backtest{}
		inside, n := 0, 0
		for _, t := range risk.Test(series, k.candidates, level) {
			all = all.Add(t)
			for _, j := range t.Each {
				if j.At >= late {
					if n++; j.Low <= j.Count && j.Count <= j.High {
						inside++
					}
				}
			}
		}
		fmt.Fprintf(b, "| %s | %d | %d | %.0f %% | %.2f | %.2f | %d of %d |\n", k.name, all.Forecasts, all.Inside, 100*float64(all.Inside)/float64(all.Forecasts), all.Score, all.Plain, inside, n)
	}
}

// detail writes each yearly forecast of the plain model and of the one with both.
func detail(b *bytes.Buffer, series []risk.Series) {
	plain, both := risk.Test(series, kinds[0].candidates, level), risk.Test(series, kinds[3].candidates, level)
	b.WriteString("| type | year | count | plain interval | with both | forgetting | year effect |\n| --- | ---: | ---: | --- | --- | ---: | ---: |\n")
	for i, name := range types {
		for k, p := range plain[i].Each {
			q := both[i].Each[k]
			fmt.Fprintf(b, "| %s | %d | %.0f | %s | %s | %g | %.0f %% |\n", name, 2010+p.At, p.Count, interval(p), interval(q), q.Drift.Forgetting, 100*math.Sqrt(q.Drift.Spread))
		}
	}
	b.WriteString("\nAn interval with a ! does not hold the count. The year effect is given as the coefficient of variation of the rates of years.\n")
}

func interval(j risk.Judged) string {
	mark := ""
	if j.Count < j.Low || j.Count > j.High {
		mark = " !"
	}
	return fmt.Sprintf("%.0f to %.0f%s", j.Low, j.High, mark)
}

func rows(name string) ([][]string, error) {
	raw, err := data.ReadFile("data/" + name)
	if err != nil {
		return nil, fmt.Errorf("reading the data: %w", err)
	}
	all, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return all[1:], nil
}

// spans are counts by type and span, as series.
func spans(n int, exposure float64) ([]risk.Series, map[string]int) {
	index := map[string]int{}
	series := make([]risk.Series, len(types))
	for i, t := range types {
		index[t] = i
		series[i] = risk.Series{Prior: risk.Jeffreys, Spans: make([]risk.Span, n)}
		for k := range series[i].Spans {
			series[i].Spans[k].Exposure = exposure
		}
	}
	return series, index
}

// years are the counts of the full years 2010 to 2015.
func years() ([]risk.Series, error) {
	all, err := rows("hhs_breaches.csv")
	if err != nil {
		return nil, err
	}
	series, index := spans(6, 1)
	for _, r := range all {
		year, err1 := strconv.Atoi(r[0])
		count, err2 := strconv.ParseFloat(r[2], 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("hhs_breaches.csv: %q is no row of year, type and count", r)
		}
		if i, ok := index[r[1]]; ok && year >= 2010 && year <= 2015 {
			series[i].Spans[year-2010].Count = count
		}
	}
	return series, nil
}

// quarters are the counts from January 2010 to September 2016.
func quarters() ([]risk.Series, error) {
	all, err := rows("hhs_breaches_monthly.csv")
	if err != nil {
		return nil, err
	}
	const n = 6*4 + 3
	series, index := spans(n, 0.25)
	for _, r := range all {
		year, err1 := strconv.Atoi(r[0])
		month, err2 := strconv.Atoi(r[1])
		count, err3 := strconv.ParseFloat(r[3], 64)
		if err1 != nil || err2 != nil || err3 != nil {
			return nil, fmt.Errorf("hhs_breaches_monthly.csv: %q is no row of year, month, type and count", r)
		}
		q := (year-2010)*4 + (month-1)/3
		if i, ok := index[r[2]]; ok && q >= 0 && q < n {
			series[i].Spans[q].Count += count
		}
	}
	return series, nil
}
