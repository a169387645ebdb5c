"""The page in an annotation folder, on which a person looks at suggestions and says yes, no or later."""
