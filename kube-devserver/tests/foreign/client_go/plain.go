package main

import (
	"encoding/json"
	"regexp"
)

var (
	changing = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|(127|10)(\.\d+){3}(:\d+)?|record \(\d+\)`)
	// what each server gives as it likes, and what controllers write when they come to it
	left = []string{"uid", "resourceVersion", "creationTimestamp", "time", "managedFields", "deletionTimestamp", "remainingItemCount"}
)

// plain is a value as JSON, without what differs by nature.
func plain(value any) string {
	text, err := json.Marshal(value)
	must(err)
	var read any
	must(json.Unmarshal(text, &read))
	text, err = json.Marshal(without(read))
	must(err)
	return hide(string(text))
}

func hide(text string) string {
	return changing.ReplaceAllString(text, "<>")
}

func without(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range left {
			delete(value, name)
		}
		for key, each := range value {
			value[key] = without(each)
		}
	case []any:
		for i, each := range value {
			value[i] = without(each)
		}
	}
	return value
}
