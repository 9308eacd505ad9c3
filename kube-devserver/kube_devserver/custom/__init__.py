"""Pure: CustomResourceDefinitions: their schemas, versions and validation rules."""
