package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	extensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
)

var (
	thingKind = schema.GroupVersionKind{Group: "foreign.example.dev", Version: "v1", Kind: "Thing"}
	things    = schema.GroupVersionResource{Group: "foreign.example.dev", Version: "v1", Resource: "things"}
)

func definition() *extensions.CustomResourceDefinition {
	object := func(properties map[string]extensions.JSONSchemaProps) extensions.JSONSchemaProps {
		return extensions.JSONSchemaProps{Type: "object", Properties: properties}
	}
	least, selector := 0.0, ".status.selector"
	spec := object(map[string]extensions.JSONSchemaProps{
		"replicas": {Type: "integer", Format: "int32", Minimum: &least, Default: &extensions.JSON{Raw: []byte("1")}},
		"words":    {Type: "array", Items: &extensions.JSONSchemaPropsOrArray{Schema: &extensions.JSONSchemaProps{Type: "string"}}},
	})
	spec.XValidations = extensions.ValidationRules{{Rule: "self.replicas < 10", Message: "too many"}}
	status := object(map[string]extensions.JSONSchemaProps{"replicas": {Type: "integer"}, "selector": {Type: "string"}, "seen": {Type: "string"}})
	whole := object(map[string]extensions.JSONSchemaProps{"spec": spec, "status": status})
	return &extensions.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "things.foreign.example.dev"},
		Spec: extensions.CustomResourceDefinitionSpec{
			Group: things.Group, Scope: extensions.NamespaceScoped,
			Names: extensions.CustomResourceDefinitionNames{Plural: "things", Singular: "thing", Kind: "Thing", ListKind: "ThingList", ShortNames: []string{"th"}, Categories: []string{"all"}},
			Versions: []extensions.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true, Schema: &extensions.CustomResourceValidation{OpenAPIV3Schema: &whole},
				Subresources: &extensions.CustomResourceSubresources{
					Status: &extensions.CustomResourceSubresourceStatus{},
					Scale:  &extensions.CustomResourceSubresourceScale{SpecReplicasPath: ".spec.replicas", StatusReplicasPath: ".status.replicas", LabelSelectorPath: &selector},
				},
				AdditionalPrinterColumns: []extensions.CustomResourceColumnDefinition{{Name: "Replicas", Type: "integer", JSONPath: ".spec.replicas"}},
			}},
		},
	}
}

// defined serves the kind, unless it is served already.
func defined(w *world) {
	definitions := extensionsclient.NewForConfigOrDie(w.config).ApiextensionsV1().CustomResourceDefinitions()
	_, err := definitions.Create(w, definition(), metav1.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return
	}
	must(err)
	w.until("established", func() bool {
		found, err := definitions.Get(w, "things.foreign.example.dev", metav1.GetOptions{})
		must(err)
		for _, each := range found.Status.Conditions {
			if each.Type == extensions.Established && each.Status == extensions.ConditionTrue {
				_, err = w.dynamic.Resource(things).Namespace(w.namespace).List(w, metav1.ListOptions{})
				return err == nil
			}
		}
		return false
	})
}

func thing(name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": thingKind.GroupVersion().String(), "kind": thingKind.Kind,
		"metadata": map[string]any{"name": name, "labels": map[string]any{"n": name}}, "spec": spec,
	}}
}

// custom: definitions as protobuf, and the dynamic client with its informers.
func custom(w *world) {
	for _, content := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		config := rest.CopyConfig(w.config)
		config.ContentType = content
		body := definition()
		body.Name = "bad"
		_, err := extensionsclient.NewForConfigOrDie(config).ApiextensionsV1().CustomResourceDefinitions().Create(w, body, metav1.CreateOptions{})
		say("a definition of a bad name, as "+content, nil, err)
	}
	defined(w)
	client := w.dynamic.Resource(things).Namespace(w.namespace)
	stopped, stop := context.WithCancel(w)
	defer stop()
	seen := &diary{}
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(w.dynamic, time.Hour, w.namespace, nil)
	_, err := factory.ForResource(things).Informer().AddEventHandler(seen.handler())
	must(err)
	factory.Start(stopped.Done())
	factory.WaitForCacheSync(w.Done())
	made, err := client.Create(w, thing("a", map[string]any{"words": []any{"x"}, "unknown": true}), metav1.CreateOptions{})
	say("create", made, err)
	_, err = client.Create(w, thing("b", map[string]any{"unknown": true}), metav1.CreateOptions{FieldValidation: "Strict"})
	say("strict", nil, err)
	_, err = client.Create(w, thing("b", map[string]any{"replicas": int64(11)}), metav1.CreateOptions{})
	say("against a rule", nil, err)
	_, err = client.Create(w, thing("b", map[string]any{"replicas": "x"}), metav1.CreateOptions{})
	fmt.Printf("of a wrong type: refused: %v\n", errors.IsInvalid(err))
	must(unstructured.SetNestedField(made.Object, int64(3), "spec", "replicas"))
	must(unstructured.SetNestedField(made.Object, "me", "status", "seen"))
	made, err = client.Update(w, made, metav1.UpdateOptions{})
	say("update", made, err)
	must(unstructured.SetNestedField(made.Object, "me", "status", "seen"))
	made, err = client.UpdateStatus(w, made, metav1.UpdateOptions{})
	say("update status", made, err)
	for kind, text := range map[types.PatchType]string{types.MergePatchType: `{"spec":{"replicas":4}}`} {
		made, err = client.Patch(w, "a", kind, []byte(text), metav1.PatchOptions{})
		say("patch", made, err)
	}
	_, err = client.Patch(w, "a", types.StrategicMergePatchType, []byte(`{}`), metav1.PatchOptions{})
	say("strategic patch", nil, err)
	made, err = client.Apply(w, "c", thing("c", map[string]any{"words": []any{"y"}}), metav1.ApplyOptions{FieldManager: "one"})
	say("apply", made, err)
	_, err = client.Apply(w, "c", thing("c", map[string]any{"words": []any{"z"}}), metav1.ApplyOptions{FieldManager: "two"})
	say("conflict", nil, err)
	made, err = client.ApplyStatus(w, "c", thing("c", nil), metav1.ApplyOptions{FieldManager: "one"})
	say("apply status", made, err)
	list, err := client.List(w, metav1.ListOptions{LabelSelector: "n=a"})
	say("list", list, err)
	scale, err := client.Get(w, "a", metav1.GetOptions{}, "scale")
	say("scale", scale, err)
	must(client.Delete(w, "a", metav1.DeleteOptions{}))
	must(client.DeleteCollection(w, metav1.DeleteOptions{}, metav1.ListOptions{}))
	_, err = client.Get(w, "a", metav1.GetOptions{})
	say("gone", nil, err)
	seen.wait(w, 7)
	unknown := w.dynamic.Resource(schema.GroupVersionResource{Group: "none.example.dev", Version: "v1", Resource: "nones"})
	_, err = unknown.List(w, metav1.ListOptions{})
	say("no such kind", nil, err)
}

// metadataAlone: the client of garbage collectors, which wants no more than metadata.
func metadataAlone(w *world) {
	defined(w)
	client := metadata.NewForConfigOrDie(w.config)
	configMaps := corev1.SchemeGroupVersion.WithResource("configmaps")
	stopped, stop := context.WithCancel(w)
	defer stop()
	seen := &diary{}
	factory := metadatainformer.NewFilteredSharedInformerFactory(client, time.Hour, w.namespace, nil)
	for _, each := range []schema.GroupVersionResource{configMaps, things} {
		_, err := factory.ForResource(each).Informer().AddEventHandler(seen.handler())
		must(err)
	}
	factory.Start(stopped.Done())
	factory.WaitForCacheSync(w.Done())
	_, err := w.client.CoreV1().ConfigMaps(w.namespace).Create(w, &corev1.ConfigMap{ObjectMeta: named("a"), Data: map[string]string{"k": "v"}}, metav1.CreateOptions{})
	must(err)
	seen.wait(w, 1)
	_, err = w.dynamic.Resource(things).Namespace(w.namespace).Create(w, thing("t", map[string]any{}), metav1.CreateOptions{})
	must(err)
	seen.wait(w, 2)
	found, err := client.Resource(configMaps).Namespace(w.namespace).Get(w, "a", metav1.GetOptions{})
	say("get", found, err)
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{"m": "x"}}})
	must(err)
	found, err = client.Resource(configMaps).Namespace(w.namespace).Patch(w, "a", types.MergePatchType, text, metav1.PatchOptions{})
	say("patch", found, err)
	list, err := client.Resource(things).Namespace(w.namespace).List(w, metav1.ListOptions{})
	say("list", list.Items[0].ObjectMeta, err)
	fmt.Printf("list has a version: %v\n", list.ResourceVersion != "")
	must(client.Resource(configMaps).Namespace(w.namespace).DeleteCollection(w, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "n=a"}))
	seen.wait(w, 4)
	_, err = client.Resource(configMaps).Namespace(w.namespace).Get(w, "a", metav1.GetOptions{})
	say("gone", nil, err)
}
